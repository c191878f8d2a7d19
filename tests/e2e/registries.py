"""The registries that clients log in to, and requests that check what a registry stored."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, replace

import httpx

from registry_core.auth.tokens.keys import SigningKey
from registry_core.serve.azurite import Azurite
from tests.support.access_modes import htpasswd, password
from tests.support.azurite import create_container
from tests.support.host import PROJECT, RunningHost
from tests.support.hosts import best_host, registry_under
from tests.support.token_issuer import TokenIssuer, User

ALICE = "alice"
RULES = """
[[rule]]
who = ["anonymous"]
may = ["pull"]
on = ["public/**"]

[[rule]]
who = ["user:alice"]
may = ["pull", "push", "delete"]
on = ["team/**", "public/**"]
"""
USERS = htpasswd([ALICE])

_MEDIA_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


@dataclass(frozen=True)
class LoginRegistry:
    """A registry in one mode of authentication, and alice's password.

    ``issuer`` is the external token service, where there is one.
    """

    mode: str
    host: RunningHost
    environment: dict[str, str]
    password: str = password(ALICE)
    issuer: TokenIssuer | None = None

    @property
    def authority(self) -> str:
        """Where it listens, as `host:port`."""
        return f"127.0.0.1:{self.host.port}"

    def repository(self, folder: str = "team") -> str:
        """Return a new repository, as `host:port/name`, to which alice may push."""
        name = f"{folder}/{uuid.uuid4().hex}"
        if self.issuer:
            granted = (*self.issuer.users[ALICE].scopes, f"repository:{name}:pull,push")
            self.issuer.users[ALICE] = User(self.password, granted)
        return f"{self.authority}/{name}"

    def with_personal_key(self, name: str) -> LoginRegistry:
        """Create a personal key for alice and return the registry with it as her password."""
        created = self.command("auth", "keys", "create", f"--name={name}", f"--user={ALICE}")
        return replace(self, password=created.strip())

    def command(self, *words: str) -> str:
        """Run `python -m registry_core` with the registry's settings; return its output."""
        done = subprocess.run(
            [sys.executable, "-m", "registry_core", *words],
            cwd=PROJECT,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout


class LoginRegistries(dict[str, LoginRegistry]):
    """Registries by mode, started on first use; "personal key" is `builtin` with such a key."""

    def __init__(self, azurite: Azurite, stack: ExitStack) -> None:
        super().__init__()
        self._azurite, self._stack = azurite, stack

    def __missing__(self, mode: str) -> LoginRegistry:
        if mode == "personal key":
            self[mode] = self["builtin"].with_personal_key("laptop")
            return self[mode]
        issuer = (
            self._stack.enter_context(TokenIssuer("registry.test")) if mode == "token" else None
        )
        if issuer:
            issuer.users[ALICE] = User(password(ALICE))
        environment = {
            "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": self._azurite.connection_string,
            "REGISTRY_STORAGE_AZURE_CONTAINER": create_container(self._azurite),
            "REGISTRY_HTTP_SECRET": "a secret for tests, which is long enough",
            **(issuer.settings() if issuer else settings_with_users(mode)),
        }
        host = self._stack.enter_context(registry_under(best_host(), environment))
        self[mode] = LoginRegistry(mode, host, environment, issuer=issuer)
        return self[mode]


def settings_with_users(mode: str) -> dict[str, str]:
    """Return the settings of a mode with a password file and access rules."""
    users = {"REGISTRY_AUTH_HTPASSWD_PATH": USERS, "REGISTRY_AUTH_RULES": RULES}
    key = {"REGISTRY_AUTH_BUILTIN_SIGNINGKEY": SigningKey.generate().pem()}
    return {"REGISTRY_AUTH": mode, **users, **(key if mode == "builtin" else {})}


def get_manifest(repository: str, tag: str) -> httpx.Response:
    """Get the manifest or index that `tag` points to in `repository`, a `host:port/name`."""
    url = f"{_url(repository)}/manifests/{tag}"
    return httpx.get(url, headers={"Accept": ", ".join(_MEDIA_TYPES)}).raise_for_status()


def blob_size(repository: str, digest: str) -> int:
    """Return the size of the blob in storage, whatever a manifest says."""
    answer = httpx.head(f"{_url(repository)}/blobs/{digest}").raise_for_status()
    return int(answer.headers["Content-Length"])


def _url(repository: str) -> str:
    authority, name = repository.split("/", 1)
    return f"http://{authority}/v2/{name}"
