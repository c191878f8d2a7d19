"""Logins where docker and podman keep them: files of several ages, and helpers."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from registry_core.client.credentials import (
    Basic,
    CredentialsUnusable,
    IdentityToken,
    Login,
    RegistryToken,
)
from registry_core.client.docker_config import DockerCredentials, docker_credentials

pytestmark = pytest.mark.anyio

ALICE = Basic("alice", "a:secret")
HOST = "registry.example.com"


def encoded(login: Basic = ALICE) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{login.name}:{login.password}".encode()).decode()}


class Home:
    """A user's folder: docker's file in it, and helpers in its PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.environ = {"HOME": str(folder), "PATH": f"{self.programs}:/usr/bin:/bin"}
        self.runs = folder / "runs"

    def write(self, content: Mapping[str, Any] | str, path: str = ".docker/config.json") -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return file

    def helper(self, name: str, script: str) -> None:
        """Install a helper: a shell script that has read the server into ``$server``."""
        program = self.programs / f"docker-credential-{name}"
        program.write_text(f'#!/bin/sh\nread server\necho "$1 $server" >> {self.runs}\n{script}\n')
        program.chmod(0o755)

    @property
    def credentials(self) -> DockerCredentials:
        return docker_credentials(self.environ)

    async def get(self, host: str = HOST, repository: str = "") -> Login | None:
        return await self.credentials.get(host, repository)

    async def failure(self, host: str = HOST) -> str:
        with pytest.raises(CredentialsUnusable) as raised:
            await self.get(host)
        assert "secret" not in str(raised.value)
        return str(raised.value)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


async def test_a_user_without_any_file_is_anonymous(home: Home) -> None:
    assert await home.get() is None
    assert await docker_credentials({}).get(HOST) is None


@pytest.mark.parametrize(
    "key",
    [
        HOST,
        f"https://{HOST}",
        f"http://{HOST}/",
        f"https://{HOST}/v1/",
        f"https://{HOST}/v2/",
        "Registry.Example.com",
    ],
)
async def test_a_login_is_found_by_its_host_however_that_is_written(home: Home, key: str) -> None:
    home.write({"auths": {"other.example.com": encoded(Basic("bob", "x")), key: encoded()}})
    assert await home.get() == ALICE
    assert await home.get("example.com") is None
    assert await home.get(f"{HOST}:5000") is None


@pytest.mark.parametrize(
    "key", ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io"]
)
async def test_docker_hub_has_several_names(home: Home, key: str) -> None:
    home.write({"auths": {key: encoded()}})
    assert await home.get("registry-1.docker.io") == ALICE
    assert await home.get(HOST) is None


@pytest.mark.parametrize(
    "entry,login",
    [
        ({"username": "alice", "password": "a:secret"}, ALICE),
        ({**encoded(Basic("alice", "")), "identitytoken": "t"}, IdentityToken("t", "alice")),
        ({"identitytoken": "t"}, IdentityToken("t")),
        ({"registrytoken": "t"}, RegistryToken("t")),
        ({"auth": base64.b64encode(b"alice:a:secret\0\0").decode()}, ALICE),
        ({}, None),
        ({"auth": "", "email": "x"}, None),
    ],
)
async def test_an_entry_has_one_of_several_forms(
    home: Home, entry: dict[str, str], login: Login | None
) -> None:
    home.write({"auths": {HOST: entry}})
    assert await home.get() == login


async def test_podmans_login_for_a_repository_is_preferred_the_longest_first(home: Home) -> None:
    names = ("", "/team", "/team/app")
    home.write({"auths": {f"{HOST}{name}": encoded(Basic(f"u{name}", "p")) for name in names}})
    for repository, name in [
        ("", "u"),
        ("teams", "u"),
        ("team", "u/team"),
        ("team/other", "u/team"),
        ("team/app", "u/team/app"),
        ("team/app/x", "u/team/app"),
    ]:
        assert await home.get(HOST, repository) == Basic(name, "p")


async def test_the_files_are_where_docker_and_podman_have_them(home: Home) -> None:
    def login(name: str) -> dict[str, Any]:
        return {"auths": {HOST: encoded(Basic(name, "p"))}}

    home.write(login("config"), ".config/containers/auth.json")
    assert await home.get() == Basic("config", "p")
    home.write(login("run"), "run/containers/auth.json")
    home.environ["XDG_RUNTIME_DIR"] = str(home.folder / "run")
    assert await home.get() == Basic("run", "p")
    home.write(login("docker"))
    assert await home.get() == Basic("docker", "p")
    home.write(login("other"), "other/config.json")
    home.environ["DOCKER_CONFIG"] = str(home.folder / "other")
    assert await home.get() == Basic("other", "p")
    home.write(login("named"), "named.json")
    home.environ["REGISTRY_AUTH_FILE"] = str(home.folder / "named.json")
    assert await home.get() == Basic("named", "p")


async def test_files_are_read_once(home: Home) -> None:
    path = home.write({"auths": {HOST: encoded()}})
    credentials = home.credentials
    assert await credentials.get(HOST) == ALICE
    path.unlink()
    assert await credentials.get(HOST) == ALICE


@pytest.mark.parametrize(
    "content,message",
    [
        ("{", "is not JSON"),
        ("[]", "is not a JSON object"),
        ('{"auths": [1]}', "auths is not a JSON object"),
        ('{"credHelpers": "x"}', "credHelpers is not a JSON object"),
        ('{"credsStore": 1}', "credsStore is not a text"),
        ({"auths": {HOST: "secret"}}, f"auths['{HOST}'] is not a JSON object"),
        ({"auths": {HOST: {"auth": ["secret"]}}}, "has a field that is not a text"),
        ({"auths": {HOST: {"identitytoken": "secret\ud800"}}}, "has a field that is not a text"),
        ({"auths": {HOST: {"registrytoken": "secret\nX: 1"}}}, "registrytoken is not a token"),
        ({"auths": {HOST: {"auth": "secret!"}}}, f"auths['{HOST}'].auth is not a text in base64"),
        ({"auths": {HOST: {"auth": "c2VjcmV0"}}}, f"auths['{HOST}'].auth has no colon"),
        ({"auths": {HOST: {"auth": "/////w=="}}}, "is not a text in base64"),
        ({"credsStore": "../evil"}, "credsStore is not the name of a credential helper"),
        ({"credHelpers": {HOST: "a b"}}, "is not the name of a credential helper"),
        ({"credHelpers": {HOST: 1}}, "is not the name of a credential helper"),
    ],
)
async def test_a_malformed_file_is_named_with_the_entry_and_not_quoted(
    home: Home, content: Mapping[str, Any] | str, message: str
) -> None:
    path = home.write(content)
    text = await home.failure()
    assert text.startswith(str(path))
    assert message in text


async def test_a_malformed_entry_of_another_host_does_not_matter(home: Home) -> None:
    home.write({"auths": {"other.example.com": 1, HOST: encoded()}})
    assert await home.get() == ALICE


async def test_a_file_that_cannot_be_read_is_named(home: Home) -> None:
    (home.folder / ".docker" / "config.json").mkdir(parents=True)
    assert "cannot be read: Is a directory" in await home.failure()


ANSWER = """echo '{"ServerURL": "x", "Username": "alice", "Secret": "a:secret"}'"""


async def test_a_helper_for_the_host_is_asked(home: Home) -> None:
    home.write({"credHelpers": {HOST: "mine"}, "credsStore": "other"})
    home.helper("mine", ANSWER)
    assert await home.get() == ALICE
    assert home.runs.read_text() == f"get {HOST}\n"


async def test_the_store_is_asked_for_every_host(home: Home) -> None:
    home.write({"credsStore": "store"})
    home.helper("store", ANSWER)
    assert await home.get() == ALICE
    assert await home.get("registry-1.docker.io") == ALICE
    assert home.runs.read_text() == f"get {HOST}\nget https://index.docker.io/v1/\n"


async def test_a_helper_is_run_once_for_all_who_ask_at_the_same_time_or_later(home: Home) -> None:
    home.write({"credsStore": "store"})
    home.helper("store", ANSWER)
    credentials = home.credentials
    await asyncio.gather(*(credentials.get(HOST, f"r{i}") for i in range(5)))
    await credentials.get(HOST)
    assert home.runs.read_text() == f"get {HOST}\n"


async def test_a_helper_may_have_an_identity_token(home: Home) -> None:
    home.write({"credsStore": "store"})
    home.helper("store", """echo '{"Username": "<token>", "Secret": "refresh"}'""")
    assert await home.get() == IdentityToken("refresh")


@pytest.mark.parametrize(
    "script",
    [
        "echo credentials not found in native keychain; exit 1",
        "echo credentials not found in native keychain >&2; exit 1",
        """echo '{"Username": "", "Secret": ""}'""",
    ],
)
async def test_without_a_login_in_the_helper_the_file_is_looked_at(home: Home, script: str) -> None:
    home.helper("store", script)
    home.write({"credsStore": "store"})
    assert await home.get() is None
    home.write({"credsStore": "store", "auths": {HOST: encoded()}})
    assert await home.get() == ALICE


async def test_a_missing_helper_is_named_with_what_names_it(home: Home) -> None:
    path = home.write({"credsStore": "missing"})
    assert await home.failure() == (
        f"{path}: credsStore names docker-credential-missing, which is not in the PATH; install "
        "it, or remove the entry"
    )


async def test_a_helper_that_fails_is_named_with_what_it_says(home: Home) -> None:
    home.write({"credHelpers": {HOST: "mine"}})
    home.helper("mine", "echo the vault is locked; exit 3")
    text = await home.failure()
    assert text == "docker-credential-mine failed with exit code 3: the vault is locked"


@pytest.mark.parametrize("script", ["echo secret", "true", "echo '[]'", """echo '{"Secret": 1}'"""])
async def test_a_helper_that_answers_something_else_is_named(home: Home, script: str) -> None:
    home.write({"credsStore": "store"})
    home.helper("store", script)
    assert "docker-credential-store did not answer with a JSON object" in await home.failure()


async def test_a_helper_that_does_not_answer_is_ended(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry_core.client.credential_helpers.TIME_LIMIT", 0.2)
    home.write({"credsStore": "store"})
    home.helper("store", "exec sleep 60")
    began = time.monotonic()
    assert "docker-credential-store did not answer within 0.2 s" in await home.failure()
    assert time.monotonic() - began < 10


async def test_a_helper_does_not_hold_the_event_loop(home: Home) -> None:
    home.write({"credsStore": "store"})
    home.helper("store", f"sleep 0.3\n{ANSWER}")
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.01)

    counting = asyncio.create_task(count())
    await home.get()
    counting.cancel()
    assert turns > 10


async def test_a_helper_is_asked_again_after_it_failed(home: Home) -> None:
    home.write({"credsStore": "store"})
    home.helper("store", "exit 1")
    credentials = home.credentials
    with pytest.raises(CredentialsUnusable):
        await credentials.get(HOST)
    home.helper("store", ANSWER)
    assert await credentials.get(HOST) == ALICE


async def test_no_text_of_the_credentials_shows_a_secret(home: Home) -> None:
    home.environ["SOME_TOKEN"] = "secret"
    home.write({"auths": {HOST: {"username": "alice", "password": "secret"}}})
    credentials = home.credentials
    await credentials.get(HOST)
    assert "secret" not in repr(credentials)
