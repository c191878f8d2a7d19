"""The hooks generate what a login needs, once, and print how to log in."""

from __future__ import annotations

import base64
import shutil
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import bcrypt
import httpx
import pytest

from registry_core.config import read_settings
from tests.house.tree import PROJECT
from tests.support.host import start_host

from .azd_standin import Azd

PASSWORD = "REGISTRY_FIRST_PASSWORD"
USERS = "REGISTRY_USERS_BASE64"
KEY = "REGISTRY_SIGNING_KEY_BASE64"
SECRET = "REGISTRY_HTTP_SECRET"
USER = "REGISTRY_FIRST_USER"
URL = "REGISTRY_AZURE_URL"
COMMAND = "REGISTRY_LOGIN_COMMAND"
# The Python that the environment of the tests was created with, which has no packages.
BARE_PYTHON = str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")


@pytest.fixture
def azd(tmp_path: Path) -> Azd:
    return Azd(tmp_path)


def decoded(azd: Azd, name: str) -> str:
    return base64.b64decode(azd.values[name]).decode()


def test_the_generated_values_start_the_registry_and_admit_the_first_user(azd: Azd) -> None:
    """The registry reads all of them as app settings; the hash is that of the password."""
    assert azd.hook("secrets").returncode == 0

    settings = read_settings(
        {
            "REGISTRY_STORAGE_AZURE_ACCOUNTNAME": "account",
            "REGISTRY_STORAGE_AZURE_CONTAINER": "registry",
            "REGISTRY_HTTP_SECRET": azd.values[SECRET],
            "REGISTRY_AUTH": "builtin",
            "REGISTRY_AUTH_BUILTIN_SIGNINGKEY": decoded(azd, KEY),
            "REGISTRY_AUTH_HTPASSWD_PATH": decoded(azd, USERS),
        }
    )
    assert settings.auth.builtin is not None
    assert settings.auth.builtin.key.algorithm == "ES256"
    assert settings.auth.htpasswd is not None
    user, _, hashed = settings.auth.htpasswd.users.text.partition(":")
    assert user == azd.values[USER] == "admin"
    assert bcrypt.checkpw(azd.values[PASSWORD].encode(), hashed.encode())


def test_a_second_run_changes_nothing(azd: Azd) -> None:
    azd.hook("secrets")
    generated = azd.values

    again = azd.hook("secrets")

    assert (again.returncode, again.stdout) == (0, "")
    assert azd.values == generated


def test_two_environments_share_nothing(azd: Azd) -> None:
    azd.hook("secrets")
    one = azd.values
    azd.values = {}

    azd.hook("secrets")

    assert [name for name in one if one[name] == azd.values[name]] == [USER]


@pytest.mark.parametrize("capacity", range(5))
def test_an_interrupted_run_can_be_repeated(azd: Azd, capacity: int) -> None:
    """Stored values stay, and the password still matches the hash."""
    azd.limit(capacity)
    assert azd.hook("secrets").returncode == 1
    stored = azd.values
    assert len(stored) == capacity
    azd.limit(100)

    assert azd.hook("secrets").returncode == 0

    assert azd.values.items() >= stored.items()
    hashed = decoded(azd, USERS).partition(":")[2]
    assert bcrypt.checkpw(azd.values[PASSWORD].encode(), hashed.encode())


def test_with_existing_users_no_first_user_is_generated(azd: Azd) -> None:
    azd.values = {USERS: base64.b64encode(b"alice:$2b$04$...").decode()}

    azd.hook("secrets")

    assert set(azd.values) == {USERS, SECRET, KEY}


def test_the_name_of_the_first_user_can_be_set(azd: Azd) -> None:
    azd.values = {USER: "alice"}

    azd.hook("secrets")

    assert decoded(azd, USERS).startswith("alice:$2")


@pytest.mark.parametrize(
    "mode, generated",
    [
        ("builtin", {SECRET, KEY, USER, PASSWORD, USERS}),
        ("htpasswd", {SECRET, USER, PASSWORD, USERS}),
        ("token", {SECRET}),
        ("none", {SECRET}),
    ],
)
def test_each_mode_gets_exactly_the_values_it_needs(
    azd: Azd, mode: str, generated: set[str]
) -> None:
    azd.values = {"REGISTRY_AUTH": mode}

    azd.hook("secrets")

    assert set(azd.values) - {"REGISTRY_AUTH"} == generated


def test_no_secret_is_printed(azd: Azd) -> None:
    """Neither when the hook succeeds nor when azd fails to store a value."""
    azd.values = {"REGISTRY_AUTH": "htpasswd"}
    ran = azd.hook("secrets")
    azd.limit(len(azd.values))
    refused = azd.hook("secrets")
    azd.values = {SECRET: azd.values[SECRET], "REGISTRY_AUTH": "builtin"}
    azd.limit(2)
    refused = azd.hook("secrets")

    printed = ran.stdout + ran.stderr + refused.stdout + refused.stderr
    assert "the disk is full" in refused.stderr
    assert [name for name, value in azd.values.items() if len(value) > 8 and value in printed] == []


def test_no_secret_is_an_argument_of_a_process(azd: Azd, tmp_path: Path) -> None:
    """Any user of the machine can read those. The file that is used instead is removed."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    assert azd.hook("secrets", temporary=temporary).returncode == 0
    generated = azd.values
    azd.values = {}
    azd.limit(0)
    failed = azd.hook("secrets", temporary=temporary)

    assert failed.returncode == 1
    assert "env set --file" in azd.arguments
    secrets = [value for name, value in generated.items() if name != USER]
    assert len(secrets) == 4
    assert [value for value in secrets if value in azd.arguments] == []
    assert list(temporary.iterdir()) == []


def test_nobody_else_can_enter_the_folder_of_the_environment(azd: Azd, tmp_path: Path) -> None:
    """Both it and the file in it are made readable for all by azd."""
    project = tmp_path / "project"
    environment = project / ".azure" / "test"
    environment.mkdir(parents=True, mode=0o755)
    for name in ("infra", "registry_core"):
        shutil.copytree(PROJECT / name, project / name)
    (project / ".venv").symlink_to(sys.prefix)

    assert azd.hook("secrets", project=project).returncode == 0

    assert stat.S_IMODE(environment.stat().st_mode) == 0o700


def test_a_password_that_was_removed_is_not_generated_again(azd: Azd) -> None:
    """As the hook after the deployment advises."""
    azd.hook("secrets")
    azd.values = azd.values | {PASSWORD: ""}

    again = azd.hook("secrets")

    assert (again.returncode, again.stdout, azd.values[PASSWORD]) == (0, "", "")


def test_an_invalid_user_name_stops_azd(azd: Azd) -> None:
    """With the message of the registry."""
    azd.values = {USER: "a:b"}

    ran = azd.hook("secrets")

    assert ran.returncode == 1
    assert "contains a colon" in ran.stderr


def test_without_azd_the_hook_fails_with_a_message(
    azd: Azd, monkeypatch: pytest.MonkeyPatch
) -> None:
    (azd.folder / "azd").unlink()
    monkeypatch.setenv("PATH", str(azd.folder))

    ran = azd.hook("secrets")

    assert (ran.returncode, ran.stderr) == (1, "azd_hooks.py: azd is not on the PATH\n")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "is_set_up",
    [
        pytest.param(True, id="set up"),
        pytest.param(False, id="not set up", marks=pytest.mark.nightly),  # installs packages
    ],
)
def test_a_python_with_the_requirements_is_found_or_created(
    azd: Azd, tmp_path: Path, *, is_set_up: bool
) -> None:
    """In the `.venv` of scripts/setup if it exists, otherwise in an environment of its own."""
    project = tmp_path / "project"
    for name in ("infra", "registry_core"):
        shutil.copytree(PROJECT / name, project / name)
    shutil.copy(PROJECT / "requirements.txt", project)
    if is_set_up:
        (project / ".venv").symlink_to(sys.prefix)

    ran = azd.hook("secrets", project=project, python=BARE_PYTHON)

    assert ran.returncode == 0, ran.stderr
    assert len(azd.values) == 5
    assert ("installing" in ran.stdout) == (project / ".venv-azd").exists() == (not is_set_up)


def test_the_first_user_can_log_in(azd: Azd, tmp_path: Path) -> None:
    """The hook after the deployment finds the registry and prints the command."""
    azd.hook("secrets")
    generated = azd.values
    settings = {
        SECRET: generated[SECRET],
        "REGISTRY_AUTH": "builtin",
        "REGISTRY_AUTH_BUILTIN_SIGNINGKEY": decoded(azd, KEY),
        "REGISTRY_AUTH_HTPASSWD_PATH": decoded(azd, USERS),
    }
    with start_host(settings, arguments=["--data", str(tmp_path)]) as host:
        azd.values = {**generated, URL: host.url, COMMAND: "docker login"}
        ran = azd.hook("login", "--timeout", "60")
        token = httpx.get(
            f"{host.url}/auth/token",
            params={"service": "registry", "account": generated[USER]},
            auth=(generated[USER], generated[PASSWORD]),
        )

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "  docker login"
    assert token.status_code == 200


def test_another_server_or_none_is_not_taken_for_the_registry(azd: Azd) -> None:
    """Azure shows a page of its own for an app without code."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        azd.values = {URL: f"http://127.0.0.1:{unused.getsockname()[1]}"}
        assert azd.hook("login", "--timeout", "0.1").returncode == 1
    with serving_pages() as url:
        azd.values = {URL: url}
        ran = azd.hook("login", "--timeout", "0.1")
    assert ran.returncode == 1
    assert "does not answer as a registry" in ran.stderr


@contextmanager
def serving_pages() -> Iterator[str]:
    """Serve files, as something other than a registry does."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
