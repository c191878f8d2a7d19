"""Tokens that the registry gives out itself: signed, so that nothing is kept to know them again.

Source: distribution.github.io/distribution/spec/auth/jwt/ for the claims.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from .identity import Identity
from .scopes import Scope
from .signing_key import SigningKey

LEAST_SECONDS = 60
"""Below that clients take a token for one of 60 seconds (Docker's token specification)."""


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

    @property
    def keys(self) -> tuple[SigningKey, ...]:
        """All whose signatures count, the one that signs first."""
        return (self.key,) if self.previous is None else (self.key, self.previous)

    @property
    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JWK set (RFC 7517 section 5)."""
        return {"keys": [key.jwk for key in self.keys]}

    def issue(
        self,
        subject: str,
        scopes: Iterable[Scope] = (),
        claims: Mapping[str, object] | None = None,
    ) -> str:
        """An access token for ``seconds`` from now. ``claims``: what else it says."""
        access = [_access(scope) for scope in scopes]
        return self.sign({**(claims or {}), "sub": subject, "access": access}, self.seconds)

    def sign(
        self,
        claims: Mapping[str, object],
        seconds: int,
        *,
        audience: str | None = None,
        kind: str = "JWT",
    ) -> str:
        """A token of any sort, from now on for ``seconds``. ``kind`` is its header's ``typ``."""
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
        headers = {"kid": self.key.id, "typ": kind}
        return jwt.encode(payload, self.key.private, self.key.algorithm, headers)


def _access(scope: Scope) -> dict[str, object]:
    resource = scope.resource
    access: dict[str, object] = {
        "type": resource.type,
        "name": resource.name,
        "actions": list(scope.actions),
    }
    return access | ({"class": resource.resource_class} if resource.resource_class else {})


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
