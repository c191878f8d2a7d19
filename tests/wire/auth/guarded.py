"""A registry that accepts the tokens of an external issuer, with a clock that tests set."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import jwt

from registry_core.aio import Lazy
from registry_core.app import build_registry
from registry_core.auth.authenticators import TokenAuthenticator
from registry_core.auth.tokens.claims import access_claim
from registry_core.auth.tokens.keys import KeySource, parse_jwks
from registry_core.auth.tokens.remote_keys import KeysAtUrl
from registry_core.auth.tokens.verification import TokenVerifier
from registry_core.config import AzureStorage, Settings
from registry_core.object_store.memory import MemoryStore
from registry_core.server.application import Application
from registry_core.server.context import ServerContext
from registry_core.server.sealing import PAGE, Sealer
from registry_core.server.sessions import SessionSealer
from registry_core.server.urls import Urls
from registry_core.spec.scopes import Scope
from tests.support.clock import Clock
from tests.support.counting import CountingStore
from tests.support.oidc_issuer import SigningKey, ec_key
from tests.support.wire import Wire

ISSUER, SERVICE, REALM = "issuer.test", "registry.test", "https://issuer.test/token"
MINUTES = 60.0

_SETTINGS = Settings(AzureStorage("unused"), "a secret for tests", redirect=False)


@dataclass
class Guarded:
    """A registry and its issuer's ``key``. ``store`` counts the storage calls."""

    client: httpx.AsyncClient
    clock: Clock
    store: CountingStore
    key: SigningKey

    def token(self, *scopes: str, key: SigningKey | None = None, **changed: Any) -> str:
        """Return a token for five minutes and for scopes such as ``repository:a:pull``."""
        now, key = int(self.clock()), key or self.key
        access = access_claim(tuple(map(Scope.parse, scopes)))
        usual = {"iss": ISSUER, "aud": SERVICE, "sub": "alice", "iat": now, "nbf": now}
        claims = {**usual, "exp": now + 5 * MINUTES, "access": access, **changed}
        return jwt.encode(claims, key.private, key.algorithm, headers={"kid": key.kid})

    def wire(self, repository: str, token: str = "") -> Wire:
        """Return a client of one repository, with a token or without."""
        # Each has headers of its own; the transport is the same.
        client = httpx.AsyncClient(transport=self.client._transport, base_url=self.client.base_url)
        if token:
            client.headers["Authorization"] = f"Bearer {token}"
        return Wire(client, repository, set)

    def granted(self, repository: str, actions: str = "pull,push", **changed: Any) -> Wire:
        """Return a client of one repository that may do ``actions`` there and nothing else."""
        return self.wire(repository, self.token(f"repository:{repository}:{actions}", **changed))


@asynccontextmanager
async def guarded(
    classes: frozenset[str] = frozenset(), keys_url: str = "", issuer: str = ISSUER
) -> AsyncIterator[Guarded]:
    """Yield an empty registry. ``keys_url``: the URL at which its issuer publishes its keys."""
    clock, key, store = Clock(), ec_key(), CountingStore(MemoryStore())
    keys: KeySource = parse_jwks({"keys": [key.jwk()]})
    if keys_url:
        keys = KeysAtUrl(keys_url, now=clock)
    authenticator = TokenAuthenticator(
        TokenVerifier(keys, issuer, SERVICE, now=clock), REALM, SERVICE
    )
    sessions = SessionSealer(_SETTINGS.http_secret, now=clock)
    context = ServerContext(
        Lazy.of(build_registry(_SETTINGS, store)),
        sessions,
        Urls(),
        authenticator,
        classes,
        pages=Sealer(_SETTINGS.http_secret, PAGE),
    )
    transport = httpx.ASGITransport(Application(context))
    async with httpx.AsyncClient(transport=transport, base_url="http://registry.test") as client:
        yield Guarded(client, clock, store, key)
