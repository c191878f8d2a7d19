"""The modes of authentication, each with people in it, and the ways in which they say who they are.

What they may do is the same in every mode that tells them apart: `RIGHTS`.
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

NOBODY, ANONYMOUS, WRONG = "nobody", "anonymous", "wrong"
"""Who sends no credentials; who has a token for nobody in particular; who sends wrong ones."""

STRANGER, READER, WRITER, OWNER = "stranger", "reader", "writer", "owner"
DELETER, NEIGHBOUR, ADMIN = "deleter", "neighbour", "admin"
USERS = (STRANGER, READER, WRITER, OWNER, DELETER, NEIGHBOUR, ADMIN)

OWN, FOREIGN, PUBLIC, MISSING = "team/app", "other/app", "public/app", "other/nil"
"""Repositories. Of the last, only the name is there, among those of which rules tell."""

Rights: TypeAlias = dict[str, tuple[str, ...]]
"""Of each repository: what is allowed there."""

ALL = (PULL, PUSH, DELETE)
_PUBLIC: Rights = {PUBLIC: (PULL,)}
RIGHTS: Mapping[str, Rights] = {
    NOBODY: _PUBLIC,
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
"""What the catalog shows to who may see all."""

LISTERS = (READER, ADMIN)
"""To whom the issuer elsewhere grants the catalog. Rules show to each what they may use."""

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
    """A password file of users, hashed as cheaply as may be."""
    return "".join(f"{htpasswd_line(user, password(user), LEAST_COST)}\n" for user in users)


def basic(user: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


@dataclass
class Mode:
    """One mode, with its settings. ``people`` are those that it can tell apart.

    ``challenge``: how the header ``WWW-Authenticate`` begins, without which nothing is refused.
    """

    name: str
    environment: Mapping[str, str]
    people: tuple[str, ...]
    challenge: str

    def rights(self, who: str) -> Rights:
        return RIGHTS[who]

    def is_known(self, who: str) -> bool:
        """Whether they may ask for the version."""
        return who not in (NOBODY, WRONG)

    def catalog(self, who: str) -> tuple[str, ...] | None:
        """The repositories that they are shown; None when they may not list any."""
        return tuple(name for name in EXISTING if name in self.rights(who)) or None

    def refusal(self, who: str) -> str:
        """How `summary` names the answer to who may not."""
        return f"401 {self.challenge}" if who in (NOBODY, WRONG) else "403"

    async def authorization(
        self, client: httpx.AsyncClient, who: str, request: httpx.Request
    ) -> str:
        """The header ``Authorization`` for a request; empty for none."""
        if who == NOBODY:
            return ""
        return basic(READER if who == WRONG else who, password(who))


class Open(Mode):
    """``none``: nobody is told from anybody."""

    def rights(self, who: str) -> Rights:
        return EVERYTHING

    def is_known(self, who: str) -> bool:
        return True


class WithoutRules(Mode):
    """``htpasswd`` without rules: each user may do everything."""

    def rights(self, who: str) -> Rights:
        return EVERYTHING if who in USERS else {}


@dataclass
class Tokens(Mode):
    """``token``: an issuer elsewhere gives to each of them a token for all of their rights."""

    key: SigningKey = field(default_factory=SigningKey.generate)
    issuer: str = SERVICE

    def rights(self, who: str) -> Rights:
        return {} if who == NOBODY else RIGHTS[who]

    def catalog(self, who: str) -> tuple[str, ...] | None:
        """The issuer says who may list it; which names are shown, it has no words for."""
        return EXISTING if who in LISTERS else None

    def refusal(self, who: str) -> str:
        error = {NOBODY: "", WRONG: " invalid_token"}.get(who, " insufficient_scope")
        return f"401 {self.challenge}{error}"

    async def authorization(
        self, client: httpx.AsyncClient, who: str, request: httpx.Request
    ) -> str:
        return "" if who == NOBODY else f"Bearer {self.token(who)}"

    def token(self, who: str) -> str:
        access: list[dict[str, object]] = [
            {"type": "repository", "name": name, "actions": list(actions)}
            for name, actions in RIGHTS[ADMIN if who == WRONG else who].items()
        ]
        if who in LISTERS:
            access.append({"type": "registry", "name": "catalog", "actions": ["*"]})
        claims = {
            "iss": self.issuer,
            "aud": SERVICE,
            "sub": "" if who == ANONYMOUS else who,
            "exp": int(time.time()) + 300,
            "access": access,
        }
        key = SigningKey.generate() if who == WRONG else self.key
        return jwt.encode(claims, key.private, key.algorithm, {"kid": self.key.id})


class Builtin(Tokens):
    """``builtin``: as docker does, each asks the registry for a token for what they want to do.

    Who sends none at all may read what is public; who lies about a password, forges a token next.
    """

    def rights(self, who: str) -> Rights:
        return RIGHTS[who]

    def catalog(self, who: str) -> tuple[str, ...] | None:
        """Without a token nobody is shown any: who has one to get would miss what is theirs."""
        return None if who == NOBODY else Mode.catalog(self, who)

    async def authorization(
        self, client: httpx.AsyncClient, who: str, request: httpx.Request
    ) -> str:
        if who == NOBODY:
            return ""
        answer = await self._ask_for_a_token(client, who, request)
        if who == WRONG:
            assert answer.status_code == 401, answer.text
            return f"Bearer {self.token(who)}"
        assert answer.status_code == 200, answer.text
        return f"Bearer {answer.json()['token']}"

    async def _ask_for_a_token(
        self, client: httpx.AsyncClient, who: str, request: httpx.Request
    ) -> httpx.Response:
        """For what the challenge says or, where there is none, for what may be public."""
        refused = await client.request(request.method, request.url)
        if refused.status_code != 401:
            refused = await client.get("/v2/")
        asked = {"scope": f"repository:{PUBLIC}:pull registry:catalog:*"}
        asked |= parameters(refused.headers["WWW-Authenticate"])
        password_of = basic(READER if who == WRONG else who, password(who))
        headers = {} if who == ANONYMOUS else {"Authorization": password_of}
        return await client.get(asked.pop("realm"), params=asked, headers=headers)


def parameters(challenge: str) -> dict[str, str]:
    """What stands behind the scheme of a challenge."""
    return dict(re.findall(r'(\w+)="([^"]*)"', challenge))


def modes() -> list[Mode]:
    """All of them."""
    key, users = SigningKey.generate(), htpasswd()
    by_name = {"REGISTRY_AUTH_HTPASSWD_REALM": SERVICE, "REGISTRY_AUTH_HTPASSWD_PATH": users}
    jwks = json.dumps({"keys": [key.jwk]})
    people = (NOBODY, WRONG, *USERS)
    everybody = (NOBODY, ANONYMOUS, WRONG, *USERS)
    return [
        Open("none", {"REGISTRY_AUTH": "none"}, people, ""),
        WithoutRules("htpasswd", {"REGISTRY_AUTH": "htpasswd", **by_name}, people, "Basic"),
        Mode(
            "htpasswd with rules",
            {"REGISTRY_AUTH": "htpasswd", **by_name, "REGISTRY_AUTH_RULES": RULES},
            people,
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
            everybody,
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
            everybody,
            "Bearer",
            key,
        ),
    ]
