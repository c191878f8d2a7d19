"""What azd runs before it provisions and after it deploys: see azure.yaml.

``secrets`` makes, once, what the registry keeps secret, and a first user; ``login`` waits until the
registry answers, and says how to log in. The standard library only: azd runs it with any Python.
"""

from __future__ import annotations

import argparse
import base64
import functools
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Callable, Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)

# The azd environment's names. Those in base64 are texts with line breaks and dollar signs, which
# the files and parameters of azd do not carry.
HTTP_SECRET = "REGISTRY_HTTP_SECRET"  # noqa: S105 - names, not secrets
SIGNING_KEY = "REGISTRY_SIGNING_KEY_BASE64"
USERS = "REGISTRY_USERS_BASE64"
FIRST_USER = "REGISTRY_FIRST_USER"
FIRST_PASSWORD = "REGISTRY_FIRST_PASSWORD"  # noqa: S105
MODE = "REGISTRY_AUTH"
ADDRESS = "REGISTRY_AZURE_URL"
LOGIN_COMMAND = "REGISTRY_LOGIN_COMMAND"


class Failure(Exception):
    """What azd shows, and stops at."""


def azd(*arguments: str) -> str:
    """What azd prints, for the environment that it runs the hook for.

    :raises Failure: azd is not there, or refuses.
    """
    program = shutil.which("azd")
    if program is None:
        raise Failure("azd is not on the PATH")
    name = os.environ.get("AZURE_ENV_NAME")
    chosen = ("--environment", name) if name else ()
    command = [program, "env", *arguments, *chosen]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        # Not the arguments: they may hold a secret.
        raise Failure(f"azd env {arguments[0]} failed: {ran.stderr.strip() or ran.stdout.strip()}")
    return ran.stdout


def environment() -> dict[str, str]:
    """Everything in the azd environment."""
    values: dict[str, str] = json.loads(azd("get-values", "--output", "json"))
    return values


def make_secrets() -> None:
    """Whatever the azd environment lacks. What is there stays as it is.

    Each value is kept before the next is made from it: an interrupted run is continued by the next.
    """
    values = environment()

    def keep(name: str, make: Callable[[], str]) -> str:
        if not values.get(name):
            values[name] = make()
            azd("set", name, values[name])
            print(f"made {name}")
        return values[name]

    keep(HTTP_SECRET, lambda: secrets.token_hex(32))
    mode = values.get(MODE) or "builtin"
    if mode == "builtin":
        keep(SIGNING_KEY, signing_key)
    if mode in ("builtin", "htpasswd") and not values.get(USERS):
        user = keep(FIRST_USER, lambda: "admin")
        password = keep(FIRST_PASSWORD, lambda: secrets.token_hex(16))
        keep(USERS, lambda: in_base64(registry("auth", "hash", user, stdin=password)))


def signing_key() -> str:
    """On one line: the registry takes a backslash and an n for a line break."""
    return in_base64(registry("auth", "token-key").replace("\n", "\\n"))


def in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def registry(*arguments: str, stdin: str = "") -> str:
    """What a command of the registry prints, without the last line break.

    :raises Failure: the command fails.
    """
    command = [str(python_with_requirements()), "-m", "registry_core", *arguments]
    ran = subprocess.run(
        command, cwd=PROJECT, input=f"{stdin}\n", capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise Failure(f"python -m registry_core {' '.join(arguments)}: {ran.stderr.strip()}")
    return ran.stdout.rstrip("\n")


@functools.cache
def python_with_requirements() -> Path:
    """A Python that has requirements.txt: this one, scripts/setup's, or one made for the purpose.

    :raises Failure: this Python is too old, or pip fails.
    """
    own = PROJECT / ".venv-azd"
    for candidate in (Path(sys.executable), python_of(PROJECT / ".venv"), python_of(own)):
        if candidate.exists() and has_requirements(candidate):
            return candidate
    if sys.version_info < OLDEST:
        raise Failure(f"Python {'.'.join(map(str, OLDEST))} or newer is needed, not {sys.version}")
    print(f"installing requirements.txt into {own.name}")
    venv.create(own, with_pip=True, clear=True)
    pip = [str(python_of(own)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*pip, "-r", "requirements.txt"], cwd=PROJECT, check=False).returncode:
        raise Failure("pip could not install requirements.txt: above is why")
    return python_of(own)


def python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def has_requirements(python: Path) -> bool:
    modules = "import sys, aiohttp, bcrypt, cryptography, jwt"
    check = f"{modules}; sys.exit(sys.version_info < {OLDEST})"
    quiet = subprocess.DEVNULL
    return not subprocess.run([python, "-c", check], stderr=quiet, check=False).returncode


def show_login(patience: float) -> None:
    """Wait for the registry's first answer, for ``patience`` seconds at most.

    :raises Failure: it does not come.
    """
    values = environment()
    if not values.get(ADDRESS):
        raise Failure(f"{ADDRESS} is not in the azd environment: run azd provision")
    url = f"{values[ADDRESS].rstrip('/')}/v2/"
    deadline = time.monotonic() + patience
    while not (answered := is_registry(url)) and time.monotonic() < deadline:
        time.sleep(min(2, patience / 10))
    if not answered:
        raise Failure(f"{url} does not answer as a registry: look at the app's logs")
    print(f"the registry answers at {url}")
    print(login_line(values))


def login_line(values: Mapping[str, str]) -> str:
    if values.get(FIRST_PASSWORD):
        return f"log in:\n  {values[LOGIN_COMMAND]}"
    if values.get(MODE) == "none":
        return "nobody has to log in: everybody may push, pull and delete"
    return "log in as one of your own users"


def is_registry(url: str) -> bool:
    """Whether who answers is the registry, whatever it says of our having no login."""
    try:
        with urllib.request.urlopen(url, timeout=60) as response:  # noqa: S310 - our own address
            headers = response.headers
    except urllib.error.HTTPError as error:
        headers = error.headers
    except OSError:
        return False
    return "Docker-Distribution-Api-Version" in headers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("secrets", help="make what is missing in the azd environment")
    login = commands.add_parser("login", help="wait for the registry, say how to log in")
    login.add_argument("--patience", type=float, default=300, metavar="SECONDS")
    options = parser.parse_args()
    try:
        if options.command == "secrets":
            make_secrets()
        else:
            show_login(options.patience)
    except Failure as failure:
        print(f"{Path(__file__).name}: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
