"""Tokens that the registry gives out itself: signed, so that nothing is kept to know them again.

Source: distribution.github.io/distribution/spec/auth/jwt/ for the claims.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from ..spec.scopes import Scope
from .access import access_of
from .identity import Identity
from .keys import KeySet
from .signing_key import SigningKey

LEAST_SECONDS = 60
"""Clients take a token for one of 60 seconds at least (Docker's token specification)."""


@dataclass(frozen=True)
class Issuer:
    """``service`` names the registry: as the tokens' issuer and, of access tokens, their audience.

    ``previous``: the key before ``key``, whose tokens hold until they expire.
    """

    key: SigningKey
    service: str
    previous: SigningKey | None = None
    seconds: int = 300
    now: Callable[[], float] = time.time
    _header: Mapping[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        header = {"kid": self.key.id, "alg": self.key.algorithm}
        object.__setattr__(self, "_header", header)

    @property
    def keys(self) -> tuple[SigningKey, ...]:
        """All whose signatures count, the one that signs first."""
        return (self.key,) if self.previous is None else (self.key, self.previous)

    @property
    def key_set(self) -> KeySet:
        """What verifies the tokens."""
        return KeySet.of(key.public for key in self.keys)

    @property
    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The same as a document for others: a JWK set (RFC 7517, section 5)."""
        return {"keys": [key.jwk for key in self.keys]}

    def issue(
        self,
        subject: str,
        scopes: Iterable[Scope] = (),
        claims: Mapping[str, object] | None = None,
    ) -> str:
        """An access token for ``seconds`` from now. ``claims``: what else it says."""
        access = access_of(tuple(scopes))
        return self.sign({**(claims or {}), "sub": subject, "access": access}, self.seconds)

    def sign(
        self, claims: Mapping[str, object], seconds: int, *, audience: str | None = None
    ) -> str:
        """A token of any sort, from now on for ``seconds``."""
        now = int(self.now())
        payload: dict[str, Any] = {
            **claims,
            "iss": self.service,
            "aud": audience or self.service,
            "iat": now,
            "nbf": now,
            "exp": now + seconds,
            "jti": secrets.token_urlsafe(9),
        }
        header = dict(self._header)
        return jwt.encode(payload, self.key.private, header["alg"], header)


def identity_to_claim(identity: Identity) -> dict[str, object]:
    """An identity, as a token carries it."""
    return {
        "name": identity.name,
        "source": identity.source,
        "groups": sorted(identity.groups),
        "roles": sorted(identity.roles),
    }


def identity_of_claim(claim: Mapping[str, Any]) -> Identity:
    """The inverse of `identity_to_claim`, for a token whose signature was verified."""
    return Identity(
        claim["name"], claim["source"], frozenset(claim["groups"]), frozenset(claim["roles"])
    )
