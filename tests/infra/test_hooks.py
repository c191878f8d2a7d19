"""azd's hooks make what a registry needs to be logged in to, once, and say how to."""

from __future__ import annotations

import base64
import shutil
import socket
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
ADDRESS = "REGISTRY_AZURE_URL"
COMMAND = "REGISTRY_LOGIN_COMMAND"
# What the environment of the tests was made with: nothing is installed in it.
BARE_PYTHON = str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")


@pytest.fixture
def azd(tmp_path: Path) -> Azd:
    return Azd(tmp_path)


def decoded(azd: Azd, name: str) -> str:
    return base64.b64decode(azd.values[name]).decode()


def test_what_is_made_starts_the_registry_and_lets_the_first_user_in(azd: Azd) -> None:
    """The registry takes it all as app settings; the hash is the password's."""
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
    made = azd.values

    again = azd.hook("secrets")

    assert (again.returncode, again.stdout) == (0, "")
    assert azd.values == made


def test_two_environments_share_nothing(azd: Azd) -> None:
    azd.hook("secrets")
    one = azd.values
    azd.values = {}

    azd.hook("secrets")

    assert [name for name in one if one[name] == azd.values[name]] == [USER]


@pytest.mark.parametrize("room", range(5))
def test_an_interrupted_run_is_continued(azd: Azd, room: int) -> None:
    """Whatever was kept stays, and the password is still that of the hash."""
    azd.make_room(room)
    assert azd.hook("secrets").returncode == 1
    kept = azd.values
    assert len(kept) == room
    azd.make_room(100)

    assert azd.hook("secrets").returncode == 0

    assert azd.values.items() >= kept.items()
    hashed = decoded(azd, USERS).partition(":")[2]
    assert bcrypt.checkpw(azd.values[PASSWORD].encode(), hashed.encode())


def test_users_of_ones_own_are_enough(azd: Azd) -> None:
    """No first user is put beside them."""
    azd.values = {USERS: base64.b64encode(b"alice:$2b$04$...").decode()}

    azd.hook("secrets")

    assert set(azd.values) == {USERS, SECRET, KEY}


def test_the_first_user_has_the_name_that_was_chosen(azd: Azd) -> None:
    azd.values = {USER: "alice"}

    azd.hook("secrets")

    assert decoded(azd, USERS).startswith("alice:$2")


@pytest.mark.parametrize(
    "mode, made",
    [
        ("builtin", {SECRET, KEY, USER, PASSWORD, USERS}),
        ("htpasswd", {SECRET, USER, PASSWORD, USERS}),
        ("token", {SECRET}),
        ("none", {SECRET}),
    ],
)
def test_a_mode_gets_what_it_needs_and_no_more(azd: Azd, mode: str, made: set[str]) -> None:
    azd.values = {"REGISTRY_AUTH": mode}

    azd.hook("secrets")

    assert set(azd.values) - {"REGISTRY_AUTH"} == made


def test_nothing_secret_is_printed(azd: Azd) -> None:
    """Not when all goes well, nor when azd refuses a value."""
    azd.values = {"REGISTRY_AUTH": "htpasswd"}
    ran = azd.hook("secrets")
    azd.make_room(len(azd.values))
    refused = azd.hook("secrets")
    azd.values = {SECRET: azd.values[SECRET], "REGISTRY_AUTH": "builtin"}
    azd.make_room(2)
    refused = azd.hook("secrets")

    printed = ran.stdout + ran.stderr + refused.stdout + refused.stderr
    assert "the disk is full" in refused.stderr
    assert [name for name, value in azd.values.items() if len(value) > 8 and value in printed] == []


def test_a_user_name_that_cannot_be_one_stops_azd(azd: Azd) -> None:
    """With the registry's own words."""
    azd.values = {USER: "a:b"}

    ran = azd.hook("secrets")

    assert ran.returncode == 1
    assert "a colon ends it" in ran.stderr


def test_without_azd_the_hook_says_so(azd: Azd, monkeypatch: pytest.MonkeyPatch) -> None:
    (azd.folder / "azd").unlink()
    monkeypatch.setenv("PATH", str(azd.folder))

    ran = azd.hook("secrets")

    assert (ran.returncode, ran.stderr) == (1, "azd_hooks.py: azd is not on the PATH\n")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("is_set_up", [True, False])
def test_a_python_without_the_requirements_gets_them(
    azd: Azd, tmp_path: Path, *, is_set_up: bool
) -> None:
    """From scripts/setup's .venv where there is one; else they are installed beside it, once."""
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
    """The hook after the deployment finds the registry, and tells what docker needs."""
    azd.hook("secrets")
    made = azd.values
    settings = {
        SECRET: made[SECRET],
        "REGISTRY_AUTH": "builtin",
        "REGISTRY_AUTH_BUILTIN_SIGNINGKEY": decoded(azd, KEY),
        "REGISTRY_AUTH_HTPASSWD_PATH": decoded(azd, USERS),
    }
    with start_host(settings, arguments=["--data", str(tmp_path)]) as host:
        azd.values = {**made, ADDRESS: host.url, COMMAND: "docker login"}
        ran = azd.hook("login", "--patience", "60")
        token = httpx.get(
            f"{host.url}/auth/token",
            params={"service": "registry", "account": made[USER]},
            auth=(made[USER], made[PASSWORD]),
        )

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "  docker login"
    assert token.status_code == 200


def test_whatever_else_answers_is_no_registry(azd: Azd) -> None:
    """Azure's own page of an app without code, say; or nobody at all."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        azd.values = {ADDRESS: f"http://127.0.0.1:{nobody.getsockname()[1]}"}
        assert azd.hook("login", "--patience", "0.1").returncode == 1
    with serving_pages() as url:
        azd.values = {ADDRESS: url}
        ran = azd.hook("login", "--patience", "0.1")
    assert ran.returncode == 1
    assert "does not answer as a registry" in ran.stderr


@contextmanager
def serving_pages() -> Iterator[str]:
    """A server that is no registry."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
