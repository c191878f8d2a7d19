"""Hooks that azd runs before provisioning and after deploying: see azure.yaml.

`secrets` generates the registry's secrets and a first user, once. `login` waits until the registry
answers and prints how to log in. Only the standard library is used: azd runs this with any Python.
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
import tempfile
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Callable, Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)

# Names in the azd environment. Values with line breaks or dollar signs are base64-encoded, because
# the files and parameters of azd cannot contain them.
HTTP_SECRET = "REGISTRY_HTTP_SECRET"  # noqa: S105 - a name, not a secret
SIGNING_KEY = "REGISTRY_SIGNING_KEY_BASE64"
USERS = "REGISTRY_USERS_BASE64"
FIRST_USER = "REGISTRY_FIRST_USER"
FIRST_PASSWORD = "REGISTRY_FIRST_PASSWORD"  # noqa: S105
AUTH_MODE = "REGISTRY_AUTH"
URL = "REGISTRY_AZURE_URL"
LOGIN_COMMAND = "REGISTRY_LOGIN_COMMAND"


class HookError(Exception):
    """The message that azd shows before it stops."""


def azd(*arguments: str) -> str:
    """Return the output of `azd env`, for the environment that azd runs the hook for.

    :raises HookError: azd is missing or fails.
    """
    program = shutil.which("azd")
    if program is None:
        raise HookError("azd is not on the PATH")
    name = os.environ.get("AZURE_ENV_NAME")
    selection = ("--environment", name) if name else ()
    command = [program, "env", *arguments, *selection]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise HookError(
            f"azd env {arguments[0]} failed: {ran.stderr.strip() or ran.stdout.strip()}"
        )
    return ran.stdout


def environment() -> dict[str, str]:
    """Return all values of the azd environment."""
    values: dict[str, str] = json.loads(azd("get-values", "--output", "json"))
    return values


def store(name: str, value: str) -> None:
    """Set a value of the azd environment.

    In a file that nobody else can read: the arguments of a process are public on its machine.

    :param value: without quotes and line breaks.
    :raises HookError: azd fails.
    """
    descriptor, path = tempfile.mkstemp(suffix=".env")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{name}='{value}'\n")
        azd("set", "--file", path)
    finally:
        Path(path).unlink()


def keep_private(folder: Path) -> None:
    """Keep others out of the folder of an azd environment: azd makes its files readable for all."""
    if os.name == "posix" and folder.is_dir():
        folder.chmod(0o700)


def generate_secrets() -> None:
    """Generate the values that the azd environment lacks, without changing existing ones.

    Each value is stored before another is derived from it, so that an interrupted run can be
    repeated.
    """
    values = environment()
    keep_private(PROJECT / ".azure" / os.environ.get("AZURE_ENV_NAME", ""))

    def ensure(name: str, generate: Callable[[], str]) -> str:
        if not values.get(name):
            values[name] = generate()
            store(name, values[name])
            print(f"generated {name}")
        return values[name]

    ensure(HTTP_SECRET, lambda: secrets.token_hex(32))
    mode = values.get(AUTH_MODE) or "builtin"
    if mode == "builtin":
        ensure(SIGNING_KEY, signing_key)
    if mode in ("builtin", "htpasswd") and not values.get(USERS):
        user = ensure(FIRST_USER, lambda: "admin")
        password = ensure(FIRST_PASSWORD, lambda: secrets.token_hex(16))
        ensure(USERS, lambda: encode(registry("auth", "hash", user, stdin=password)))


def signing_key() -> str:
    """Return a new key on one line: the registry reads a backslash and an n as a line break."""
    return encode(registry("auth", "token-key").replace("\n", "\\n"))


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def registry(*arguments: str, stdin: str = "") -> str:
    """Return the output of a command of the registry, without the last line break.

    :raises HookError: the command fails.
    """
    command = [str(python_with_requirements()), "-m", "registry_core", *arguments]
    ran = subprocess.run(
        command, cwd=PROJECT, input=f"{stdin}\n", capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise HookError(f"python -m registry_core {' '.join(arguments)}: {ran.stderr.strip()}")
    return ran.stdout.rstrip("\n")


@functools.cache
def python_with_requirements() -> Path:
    """Return a Python with requirements.txt: this one, that of scripts/setup, or one of its own.

    :raises HookError: this Python is too old, or pip fails.
    """
    own = PROJECT / ".venv-azd"
    for candidate in (Path(sys.executable), python_of(PROJECT / ".venv"), python_of(own)):
        if candidate.exists() and has_requirements(candidate):
            return candidate
    if sys.version_info < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        raise HookError(f"Python {oldest} or newer is required; this is {sys.version}")
    print(f"installing requirements.txt into {own.name}")
    venv.create(own, with_pip=True, clear=True)
    pip = [str(python_of(own)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*pip, "-r", "requirements.txt"], cwd=PROJECT, check=False).returncode:
        raise HookError("pip could not install requirements.txt; its output is above")
    return python_of(own)


def python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def has_requirements(python: Path) -> bool:
    modules = "import sys, aiohttp, bcrypt, cryptography, jwt"
    check = f"{modules}; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    quiet = subprocess.DEVNULL
    return not subprocess.run([python, "-c", check], stderr=quiet, check=False).returncode


def show_login(timeout: float) -> None:
    """Wait for the registry's first answer and print how to log in.

    :param timeout: in seconds.
    :raises HookError: the registry does not answer in time.
    """
    values = environment()
    if not values.get(URL):
        raise HookError(f"{URL} is not in the azd environment: run azd provision")
    url = f"{values[URL].rstrip('/')}/v2/"
    deadline = time.monotonic() + timeout
    while not (answered := is_registry(url)) and time.monotonic() < deadline:
        time.sleep(min(2, timeout / 10))
    if not answered:
        raise HookError(f"{url} does not answer as a registry: look at the app's logs")
    print(f"the registry answers at {url}")
    print(login_hint(values))


def login_hint(values: Mapping[str, str]) -> str:
    if values.get(FIRST_PASSWORD):
        return (
            f"once you keep the password elsewhere: azd env set {FIRST_PASSWORD} ''\n"
            f"log in:\n  {values[LOGIN_COMMAND]}"
        )
    if values.get(AUTH_MODE) == "none":
        return "no login is required: anyone can push, pull and delete"
    return "log in as one of your own users"


def is_registry(url: str) -> bool:
    """Return whether a registry answers at a URL, even if it refuses access without a login."""
    try:
        with urllib.request.urlopen(url, timeout=60) as response:  # noqa: S310 - our own URL
            headers = response.headers
    except urllib.error.HTTPError as error:
        headers = error.headers
    except OSError:
        return False
    return "Docker-Distribution-Api-Version" in headers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("secrets", help="generate the values that the azd environment lacks")
    login = commands.add_parser("login", help="wait for the registry and print how to log in")
    login.add_argument("--timeout", type=float, default=300, metavar="SECONDS")
    options = parser.parse_args()
    try:
        if options.command == "secrets":
            generate_secrets()
        else:
            show_login(options.timeout)
    except HookError as error:
        print(f"{Path(__file__).name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
