"""Registries in the modes that ask who somebody is, each a host with alice in it."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, replace

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


@dataclass(frozen=True)
class Door:
    """A registry in one mode, and the password that lets alice in.

    ``issuer`` is the token service elsewhere, where there is one.
    """

    mode: str
    host: RunningHost
    environment: dict[str, str]
    password: str = password(ALICE)
    issuer: TokenIssuer | None = None

    @property
    def registry(self) -> str:
        return f"127.0.0.1:{self.host.port}"

    def repository(self, folder: str = "team") -> str:
        """One that nobody used before, and that alice may use."""
        name = f"{folder}/{uuid.uuid4().hex}"
        if self.issuer:
            granted = (*self.issuer.users[ALICE].scopes, f"repository:{name}:pull,push")
            self.issuer.users[ALICE] = User(self.password, granted)
        return f"{self.registry}/{name}"

    def with_a_key(self, name: str) -> Door:
        """The same for alice with a personal key, instead of her password."""
        made = self.command("auth", "keys", "create", f"--name={name}", f"--user={ALICE}")
        return replace(self, password=made.strip())

    def command(self, *words: str) -> str:
        """What `python -m registry_core` prints, with the registry's own settings."""
        done = subprocess.run(
            [sys.executable, "-m", "registry_core", *words],
            cwd=PROJECT,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout


class Doors(dict[str, Door]):
    """The registries by their mode; each starts when first asked for."""

    def __init__(self, azurite: Azurite, stack: ExitStack) -> None:
        super().__init__()
        self._azurite, self._stack = azurite, stack

    def __missing__(self, mode: str) -> Door:
        issuer = (
            self._stack.enter_context(TokenIssuer("registry.test")) if mode == "token" else None
        )
        if issuer:
            issuer.users[ALICE] = User(password(ALICE))
        environment = {
            "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": self._azurite.connection_string,
            "REGISTRY_STORAGE_AZURE_CONTAINER": create_container(self._azurite),
            "REGISTRY_HTTP_SECRET": "a secret for tests, long enough",
            **(issuer.settings() if issuer else with_users(mode)),
        }
        host = self._stack.enter_context(registry_under(best_host(), environment))
        self[mode] = Door(mode, host, environment, issuer=issuer)
        return self[mode]


def with_users(mode: str) -> dict[str, str]:
    """Settings of the modes that know users and rules."""
    users = {"REGISTRY_AUTH_HTPASSWD_PATH": USERS, "REGISTRY_AUTH_RULES": RULES}
    key = {"REGISTRY_AUTH_BUILTIN_SIGNINGKEY": SigningKey.generate().pem()}
    return {"REGISTRY_AUTH": mode, **users, **(key if mode == "builtin" else {})}
