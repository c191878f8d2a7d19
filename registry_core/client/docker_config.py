"""Logins where ``docker login`` and ``podman login`` keep them: in files, or with a helper.

Sources: docs.docker.com/reference/cli/docker/login/ ("Credential stores"); docker/cli,
cli/config/configfile; containers-auth.json(5).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from .credential_helpers import Helper
from .credentials import Basic, CredentialsUnusable, IdentityToken, Login, RegistryToken

_HUB_KEY = "https://index.docker.io/v1/"
_HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")
_MAX_FILE = 4 * 2**20


@dataclass(frozen=True)
class ConfigFile:
    """The parts of a file that are about credentials, each checked when it is used."""

    path: Path
    auths: Mapping[str, Any] = field(default_factory=dict, repr=False)
    helpers: Mapping[str, Any] = field(default_factory=dict)
    store: str = ""

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return what a file has; None if it does not exist. Blocks.

        :raises CredentialsUnusable: it cannot be read, or is not a file of this kind.
        """
        try:
            with path.open("rb") as file:
                content = file.read(_MAX_FILE)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CredentialsUnusable(f"{path} cannot be read: {error.strerror}") from None
        try:
            fields = json.loads(content)
        except (ValueError, RecursionError):
            raise CredentialsUnusable(f"{path} is not JSON; correct it, or log in again") from None
        if not isinstance(fields, dict):
            raise CredentialsUnusable(f"{path} is not a JSON object")
        store = fields.get("credsStore") or ""
        if not isinstance(store, str):
            raise CredentialsUnusable(f"{path}: credsStore is not a text")
        auths, helpers = (_object(path, fields, name) for name in ("auths", "credHelpers"))
        return cls(path, auths, helpers, store)

    def helper(self, host: str) -> Helper | None:
        """Return the program that keeps the login for a host, if one does.

        :raises CredentialsUnusable: what is configured is not the name of one.
        """
        for key in _host_keys(host):
            if name := self.helpers.get(key):
                return Helper.named(name, f"{self.path}: credHelpers[{key!r}]")
        return Helper.named(self.store, f"{self.path}: credsStore") if self.store else None

    def login(self, host: str, repository: str) -> Login | None:
        """Return the login that the file itself has: that with the longest key that matches.

        :raises CredentialsUnusable: an entry is not what it should be.
        """
        by_key = {_normalized(key): key for key in self.auths}
        for name in _keys(host, repository):
            key = by_key.get(name)
            if key is not None:
                login = _parse_entry(self.auths[key], f"{self.path}: auths[{key!r}]")
                if login is not None:
                    return login
        return None


@dataclass(frozen=True)
class DockerCredentials:
    """`Credentials` of files, the first one that has a login for the registry, or a helper of it.

    ``environ`` is the environment of the helpers. The files are read once.
    """

    paths: tuple[Path, ...]
    environ: Mapping[str, str] = field(repr=False)
    _files: dict[Path, ConfigFile | None] = field(default_factory=dict, init=False, repr=False)
    _kept: dict[tuple[Helper, str], asyncio.Task[Login | None]] = field(
        default_factory=dict, init=False, repr=False
    )

    async def get(self, host: str, repository: str = "") -> Login | None:
        """Return the login for a registry, or for one of its repositories.

        :raises CredentialsUnusable: a file or a helper does not work.
        """
        for path in self.paths:
            if path not in self._files:
                self._files[path] = await asyncio.to_thread(ConfigFile.read, path)
            file = self._files[path]
            login = await self._login(file, host, repository) if file is not None else None
            if login is not None:
                return login
        return None

    async def _login(self, file: ConfigFile, host: str, repository: str) -> Login | None:
        helper = file.helper(host)
        login = None
        if helper is not None:
            login = await self._ask(helper, _HUB_KEY if host in _HUB_NAMES else host)
        return login or file.login(host, repository)

    async def _ask(self, helper: Helper, server: str) -> Login | None:
        """Run a helper, once for all who need its answer; again after a failure."""
        task = self._kept.get((helper, server))
        if task is None:
            task = asyncio.create_task(helper.get(server, self.environ))
            self._kept[helper, server] = task
            task.add_done_callback(lambda task: self._settle(helper, server, task))
        return await asyncio.shield(task)

    def _settle(self, helper: Helper, server: str, task: asyncio.Task[Login | None]) -> None:
        if task.cancelled() or task.exception() is not None:
            self._kept.pop((helper, server), None)


def docker_credentials(environ: Mapping[str, str]) -> DockerCredentials:
    """Return the credentials that docker and podman have stored for a user.

    ``$REGISTRY_AUTH_FILE`` alone, if it is set, as with podman; else those of podman,
    ``$XDG_RUNTIME_DIR/containers/auth.json`` and ``~/.config/containers/auth.json``, after those of
    docker, ``$DOCKER_CONFIG/config.json`` or ``~/.docker/config.json``.
    """
    if file := environ.get("REGISTRY_AUTH_FILE"):
        return DockerCredentials((Path(file),), environ)
    return DockerCredentials(tuple(_paths(environ)), environ)


def _paths(environ: Mapping[str, str]) -> Iterator[Path]:
    home = environ.get("HOME") or environ.get("USERPROFILE")
    if folder := environ.get("DOCKER_CONFIG"):
        yield Path(folder) / "config.json"
    elif home:
        yield Path(home) / ".docker" / "config.json"
    if folder := environ.get("XDG_RUNTIME_DIR"):
        yield Path(folder) / "containers" / "auth.json"
    if folder := environ.get("XDG_CONFIG_HOME") or (home and f"{home}/.config"):
        yield Path(folder) / "containers" / "auth.json"


def _object(path: Path, fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = fields.get(name) or {}
    if not isinstance(value, dict):
        raise CredentialsUnusable(f"{path}: {name} is not a JSON object")
    return value


def _normalized(key: str) -> str:
    """Return a key without what older versions wrote around a host: scheme and path of the API."""
    text = key.removeprefix("https://").removeprefix("http://").rstrip("/")
    for version in ("/v1", "/v2"):
        text = text.removesuffix(version)
    return text.lower()


def _keys(host: str, repository: str) -> Iterator[str]:
    """Yield the keys that match, the longest first: podman keeps logins for repositories, too."""
    names = [_normalized(key) for key in _host_keys(host)]
    parts = repository.split("/") if repository else []
    for count in range(len(parts), -1, -1):
        for name in names:
            yield "/".join((name, *parts[:count]))


def _host_keys(host: str) -> tuple[str, ...]:
    """Return the keys of a registry: Docker Hub's is not the host of its API."""
    return (_HUB_KEY, *_HUB_NAMES) if host in _HUB_NAMES else (host,)


def _parse_entry(entry: object, where: str) -> Login | None:
    """Return what an entry of ``auths`` has; None if it is empty, as beside a helper.

    :raises CredentialsUnusable: it is malformed; the message does not quote it.
    """
    if not isinstance(entry, dict):
        raise CredentialsUnusable(f"{where} is not a JSON object")
    texts = {name: entry.get(name) or "" for name in _FIELDS}
    if not all(map(_is_text, texts.values())):
        raise CredentialsUnusable(f"{where} has a field that is not a text")
    name, password = texts["username"], texts["password"]
    if texts["auth"]:
        name, password = _decode(texts["auth"], where)
    if token := texts["identitytoken"]:
        return IdentityToken(token, name)
    if token := texts["registrytoken"].strip():
        if not (token.isascii() and token.isprintable()):  # it stands in a header
            raise CredentialsUnusable(f"{where}.registrytoken is not a token")
        return RegistryToken(token)
    return Basic(name, password) if name else None


_FIELDS = ("auth", "username", "password", "identitytoken", "registrytoken")


def _is_text(value: object) -> bool:
    """Return whether a value is a text of characters: JSON also has halves of some."""
    return isinstance(value, str) and not any("\ud800" <= each <= "\udfff" for each in value)


def _decode(text: str, where: str) -> tuple[str, str]:
    try:
        pair = base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        raise CredentialsUnusable(f"{where}.auth is not a text in base64") from None
    name, colon, password = pair.partition(":")
    if not colon:
        raise CredentialsUnusable(f"{where}.auth has no colon after the user name")
    return name, password.rstrip("\x00")
