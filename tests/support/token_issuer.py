"""An external token service: Docker's token protocol, with its own users, keys and key set.

with TokenIssuer(service="registry.test") as issuer:
    issuer.users["alice"] = User("a password", ("repository:team/app:pull,push",))
    settings = {"REGISTRY_AUTH_TOKEN_REALM": issuer.realm, ...}

Source: Docker's "Token Authentication Specification". It shares no code with the registry's own.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.support.loopback_server import JsonHandler, LoopbackServer
from tests.support.oidc_issuer import KEYS, OidcIssuer, SigningKey

NAME = "an external token service"
SECONDS = 300


@dataclass(frozen=True)
class User:
    """A user; ``scopes`` are granted when they are requested."""

    password: str
    scopes: tuple[str, ...] = ()


class TokenIssuer:
    """The service; it listens while its context is entered.

    ``users`` may log in, ``public`` scopes are granted to anyone. ``keys`` publishes
    the key set, at ``jwks``, and rotates the key.
    """

    def __init__(self, service: str, key: SigningKey | None = None) -> None:
        self.service = service
        self.users: dict[str, User] = {}
        self.public: tuple[str, ...] = ()
        self.seconds = SECONDS
        self.keys = OidcIssuer(key)
        self.realm = ""

    @property
    def jwks(self) -> str:
        return self.keys.url + KEYS

    def settings(self) -> dict[str, str]:
        """Return the registry's settings for this issuer."""
        return {
            "REGISTRY_AUTH": "token",
            "REGISTRY_AUTH_TOKEN_REALM": self.realm,
            "REGISTRY_AUTH_TOKEN_SERVICE": self.service,
            "REGISTRY_AUTH_TOKEN_ISSUER": NAME,
            "REGISTRY_AUTH_TOKEN_JWKS": self.jwks,
        }

    def answer(self, authorization: str, query: dict[str, list[str]]) -> dict[str, Any] | None:
        """Answer a request for a token; None for wrong credentials."""
        name, granted = "", self.public
        if authorization:
            name, _, password = _decoded(authorization).partition(":")
            user = self.users.get(name)
            if user is None or user.password != password:
                return None
            granted += user.scopes
        if query.get("service") != [self.service]:
            return None
        requested = [scope for many in query.get("scope", ()) for scope in many.split()]
        token = self.token(
            name, (grant for scope in requested for grant in _common(scope, granted))
        )
        return {"token": token, "access_token": token, "expires_in": self.seconds}

    def token(self, name: str, scopes: Iterable[str], **changed: Any) -> str:
        """Return a token that grants the scopes."""
        access = [
            dict(zip(("type", "name", "actions"), _parts(scope), strict=True)) for scope in scopes
        ]
        claims = {"iss": NAME, "aud": self.service, "exp": int(time.time()) + self.seconds}
        return self.keys.token(**{**claims, "sub": name, "access": access, **changed})

    def __enter__(self) -> Self:
        self.keys.__enter__()
        self._server = LoopbackServer(_handler(self))
        self.realm = f"{self._server.url}/token"
        return self

    def __exit__(self, *error: object) -> None:
        self._server.stop()
        self.keys.__exit__(None, None, None)


def _decoded(authorization: str) -> str:
    return base64.b64decode(authorization.removeprefix("Basic ")).decode()


def _parts(scope: str) -> tuple[str, str, list[str]]:
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    return kind, name, actions.split(",")


def _common(requested: str, granted: Iterable[str]) -> list[str]:
    """Return the granted part of a requested scope: none if no action is granted."""
    kind, name, actions = _parts(requested)
    allowed = {a for k, n, more in map(_parts, granted) if (k, n) == (kind, name) for a in more}
    common = [action for action in actions if action in allowed]
    return [f"{kind}:{name}:{','.join(common)}"] if common else []


def _handler(issuer: TokenIssuer) -> type[JsonHandler]:
    class Handler(JsonHandler):
        def answer(self, body: bytes | None) -> None:
            """Accept GET, and POST with a password, which containerd and docker try first."""
            if body is None:
                query = parse_qs(urlsplit(self.path).query)
                self._reply(issuer.answer(self.headers.get("Authorization", ""), query))
                return
            form = parse_qs(body.decode())
            if form.get("grant_type") != ["password"]:
                self._reply(None)
                return
            login = f"{form['username'][0]}:{form['password'][0]}"
            basic = f"Basic {base64.b64encode(login.encode()).decode()}"
            self._reply(issuer.answer(basic, form))

        def _reply(self, answer: dict[str, Any] | None) -> None:
            content = json.dumps(answer or {"details": "incorrect username or password"}).encode()
            self.reply(200 if answer else 401, content)

    return Handler
