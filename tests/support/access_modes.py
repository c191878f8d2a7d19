"""The modes of authentication, their users, and how each mode authenticates a request.

Each user has the same rights in every mode that distinguishes users: `RIGHTS`.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import httpx
import jwt

from registry_core.auth.sources.htpasswd import LEAST_COST, htpasswd_line
from registry_core.auth.tokens.keys import SigningKey
from tests.support.access_rows import DELETE, PULL, PUSH

NO_CREDENTIALS, ANONYMOUS, WRONG = "no credentials", "anonymous", "wrong"
"""A caller without credentials, one with an anonymous token, and one with wrong credentials."""

STRANGER, READER, WRITER, OWNER = "stranger", "reader", "writer", "owner"
DELETER, NEIGHBOUR, ADMIN = "deleter", "neighbour", "admin"
USERS = (STRANGER, READER, WRITER, OWNER, DELETER, NEIGHBOUR, ADMIN)

OWN, FOREIGN, PUBLIC, MISSING = "team/app", "other/app", "public/app", "other/nil"
"""Repositories; the last one does not exist, but rules name it."""

Rights: TypeAlias = dict[str, tuple[str, ...]]
"""The allowed actions by repository."""

ALL = (PULL, PUSH, DELETE)
_PUBLIC: Rights = {PUBLIC: (PULL,)}
RIGHTS: Mapping[str, Rights] = {
    NO_CREDENTIALS: _PUBLIC,
    ANONYMOUS: _PUBLIC,
    WRONG: {},
    STRANGER: _PUBLIC,
    READER: _PUBLIC | {OWN: (PULL,)},
    WRITER: _PUBLIC | {OWN: (PULL, PUSH)},
    OWNER: _PUBLIC | {OWN: (PULL, PUSH)},
    DELETER: _PUBLIC | {OWN: (DELETE,)},
    NEIGHBOUR: _PUBLIC | {FOREIGN: ALL, MISSING: ALL},
    ADMIN: dict.fromkeys((OWN, FOREIGN, PUBLIC, MISSING), ALL),
}
EVERYTHING: Rights = RIGHTS[ADMIN]

EXISTING = (FOREIGN, PUBLIC, OWN)
"""The catalog as shown to a user caller may access everything."""

LISTERS = (READER, ADMIN)
"""The users to whom the external issuer grants the catalog; rules filter it for each user."""

RULES = """
[groups]
writers = ["writer", "owner"]

[[rule]]
who = ["anonymous"]
may = ["pull"]
on = ["public/**"]

[[rule]]
who = ["user:reader"]
may = ["pull"]
on = ["team/*"]

[[rule]]
who = ["group:writers"]
may = ["pull", "push"]
on = ["team/*"]

[[rule]]
who = ["user:deleter"]
may = ["delete"]
on = ["team/*"]

[[rule]]
who = ["user:neighbour"]
may = ["pull", "push", "delete"]
on = ["other/*"]

[[rule]]
who = ["user:admin"]
may = ["pull", "push", "delete"]
on = ["**"]
"""

SERVICE = "registry.test"
URL = f"http://{SERVICE}"


def password(user: str) -> str:
    return f"{user}'s password"


def htpasswd(users: Iterable[str] = USERS) -> str:
    """Return a password file of users, with the cheapest hashes."""
    return "".join(f"{htpasswd_line(user, password(user), LEAST_COST)}\n" for user in users)


def basic(user: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


@dataclass
class Mode:
    """A mode with its settings. ``callers`` are those that it distinguishes.

    ``challenge``: the scheme of the header ``WWW-Authenticate``.
    """

    name: str
    environment: Mapping[str, str]
    callers: tuple[str, ...]
    challenge: str

    def rights(self, caller: str) -> Rights:
        return RIGHTS[caller]

    def is_known(self, caller: str) -> bool:
        """Return whether the caller may use end-1."""
        return caller not in (NO_CREDENTIALS, WRONG)

    def catalog(self, caller: str) -> tuple[str, ...] | None:
        """Return the repositories that the catalog shows; None when it is refused."""
        return tuple(name for name in EXISTING if name in self.rights(caller)) or None

    def refusal(self, caller: str) -> str:
        """Return the summary of a refusal."""
        return f"401 {self.challenge}" if caller in (NO_CREDENTIALS, WRONG) else "403"

    async def authorization(
        self, client: httpx.AsyncClient, caller: str, request: httpx.Request
    ) -> str:
        """Return the header ``Authorization`` for a request; empty for none."""
        if caller == NO_CREDENTIALS:
            return ""
        return basic(READER if caller == WRONG else caller, password(caller))


class Open(Mode):
    """``none``: callers are not distinguished."""

    def rights(self, caller: str) -> Rights:
        return EVERYTHING

    def is_known(self, caller: str) -> bool:
        return True


class WithoutRules(Mode):
    """``htpasswd`` without rules: every user may do everything."""

    def rights(self, caller: str) -> Rights:
        return EVERYTHING if caller in USERS else {}


@dataclass
class Tokens(Mode):
    """``token``: an external issuer gives each caller a token for all their rights."""

    key: SigningKey = field(default_factory=SigningKey.generate)
    issuer: str = SERVICE

    def rights(self, caller: str) -> Rights:
        return {} if caller == NO_CREDENTIALS else RIGHTS[caller]

    def catalog(self, caller: str) -> tuple[str, ...] | None:
        """The issuer grants the catalog as a whole."""
        return EXISTING if caller in LISTERS else None

    def refusal(self, caller: str) -> str:
        error = {NO_CREDENTIALS: "", WRONG: " invalid_token"}.get(caller, " insufficient_scope")
        return f"401 {self.challenge}{error}"

    async def authorization(
        self, client: httpx.AsyncClient, caller: str, request: httpx.Request
    ) -> str:
        return "" if caller == NO_CREDENTIALS else f"Bearer {self.token(caller)}"

    def token(self, caller: str) -> str:
        access: list[dict[str, object]] = [
            {"type": "repository", "name": name, "actions": list(actions)}
            for name, actions in RIGHTS[ADMIN if caller == WRONG else caller].items()
        ]
        if caller in LISTERS:
            access.append({"type": "registry", "name": "catalog", "actions": ["*"]})
        claims = {
            "iss": self.issuer,
            "aud": SERVICE,
            "sub": "" if caller == ANONYMOUS else caller,
            "exp": int(time.time()) + 300,
            "access": access,
        }
        key = SigningKey.generate() if caller == WRONG else self.key
        return jwt.encode(claims, key.private, key.algorithm, {"kid": self.key.id})


class Builtin(Tokens):
    """``builtin``: each caller requests a token from the registry, as docker does.

    A caller without credentials may read public repositories; one with a wrong password sends a
    forged token.
    """

    def rights(self, caller: str) -> Rights:
        return RIGHTS[caller]

    def catalog(self, caller: str) -> tuple[str, ...] | None:
        """Without a token it is refused, so that clients with credentials request one."""
        return None if caller == NO_CREDENTIALS else Mode.catalog(self, caller)

    async def authorization(
        self, client: httpx.AsyncClient, caller: str, request: httpx.Request
    ) -> str:
        if caller == NO_CREDENTIALS:
            return ""
        answer = await self._request_token(client, caller, request)
        if caller == WRONG:
            assert answer.status_code == 401, answer.text
            return f"Bearer {self.token(caller)}"
        assert answer.status_code == 200, answer.text
        return f"Bearer {answer.json()['token']}"

    async def _request_token(
        self, client: httpx.AsyncClient, caller: str, request: httpx.Request
    ) -> httpx.Response:
        """Request a token for the scope of the challenge, or for public content without one."""
        refused = await client.request(request.method, request.url)
        if refused.status_code != 401:
            refused = await client.get("/v2/")
        query = {"scope": f"repository:{PUBLIC}:pull registry:catalog:*"}
        query |= parameters(refused.headers["WWW-Authenticate"])
        password_of = basic(READER if caller == WRONG else caller, password(caller))
        headers = {} if caller == ANONYMOUS else {"Authorization": password_of}
        return await client.get(query.pop("realm"), params=query, headers=headers)


def parameters(challenge: str) -> dict[str, str]:
    """Parse the parameters of a challenge."""
    return dict(re.findall(r'(\w+)="([^"]*)"', challenge))


def modes() -> list[Mode]:
    """Return all modes."""
    key, users = SigningKey.generate(), htpasswd()
    by_name = {"REGISTRY_AUTH_HTPASSWD_REALM": SERVICE, "REGISTRY_AUTH_HTPASSWD_PATH": users}
    jwks = json.dumps({"keys": [key.jwk]})
    without_tokens = (NO_CREDENTIALS, WRONG, *USERS)
    with_tokens = (NO_CREDENTIALS, ANONYMOUS, WRONG, *USERS)
    return [
        Open("none", {"REGISTRY_AUTH": "none"}, without_tokens, ""),
        WithoutRules("htpasswd", {"REGISTRY_AUTH": "htpasswd", **by_name}, without_tokens, "Basic"),
        Mode(
            "htpasswd with rules",
            {"REGISTRY_AUTH": "htpasswd", **by_name, "REGISTRY_AUTH_RULES": RULES},
            without_tokens,
            "Basic",
        ),
        Tokens(
            "token",
            {
                "REGISTRY_AUTH": "token",
                "REGISTRY_AUTH_TOKEN_REALM": "https://issuer.test/token",
                "REGISTRY_AUTH_TOKEN_SERVICE": SERVICE,
                "REGISTRY_AUTH_TOKEN_ISSUER": "issuer.test",
                "REGISTRY_AUTH_TOKEN_JWKS": jwks,
            },
            with_tokens,
            "Bearer",
            key,
            "issuer.test",
        ),
        Builtin(
            "builtin",
            {
                "REGISTRY_AUTH": "builtin",
                "REGISTRY_AUTH_BUILTIN_SERVICE": SERVICE,
                "REGISTRY_AUTH_BUILTIN_SIGNINGKEY": key.pem(),
                "REGISTRY_AUTH_HTPASSWD_PATH": users,
                "REGISTRY_AUTH_RULES": RULES,
            },
            with_tokens,
            "Bearer",
            key,
        ),
    ]
