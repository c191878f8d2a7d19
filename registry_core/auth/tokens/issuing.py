"""Tokens that the registry issues: signed, so that nothing has to be stored to recognise them.

Source: distribution.github.io/distribution/spec/auth/jwt/ for the claims.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...spec.scopes import Scope, parse_scopes
from ..identity import Login
from .claims import access_claim, identity_claim, identity_from_claim
from .keys import KeySet, SigningKey
from .verification import TokenVerifier

LEAST_SECONDS = 60
"""The shortest lifetime of a token that clients expect (Docker's token specification)."""


def token_id() -> str:
    """Return an id for a new token, its ``jti``."""
    return secrets.token_urlsafe(9)


@dataclass(frozen=True)
class Issuer:
    """Issues and signs tokens.

    ``service`` is the registry's name: the issuer of its tokens and the audience of access tokens.
    ``previous`` is the key that signed before ``key``; its tokens are valid until they expire.
    ``seconds`` is the lifetime of access tokens.
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
        """The keys whose signatures are valid; the first one signs."""
        return (self.key,) if self.previous is None else (self.key, self.previous)

    @property
    def key_set(self) -> KeySet:
        """The public keys that verify the tokens."""
        return KeySet.of(key.public for key in self.keys)

    @property
    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JWK set (RFC 7517, section 5)."""
        return {"keys": [key.jwk for key in self.keys]}

    def issue(
        self,
        subject: str,
        scopes: Iterable[Scope] = (),
        claims: Mapping[str, object] | None = None,
    ) -> str:
        """Return an access token that is valid for ``seconds`` from now, with further claims.

        :param claims: with ``jti``, if the caller needs to know the token's id.
        """
        access = access_claim(tuple(scopes))
        return self.sign({**(claims or {}), "sub": subject, "access": access}, self.seconds)

    def sign(
        self, claims: Mapping[str, object], seconds: int, *, audience: str | None = None
    ) -> str:
        """Return a token with these claims that is valid for ``seconds`` from now."""
        import jwt  # `load_pyjwt` has imported it already, where an event loop runs

        now = int(self.now())
        payload: dict[str, Any] = {
            "jti": token_id(),
            **claims,
            "iss": self.service,
            "aud": audience or self.service,
            "iat": now,
            "nbf": now,
            "exp": now + seconds,
        }
        header = dict(self._header)
        return jwt.encode(payload, self.key.private, header["alg"], header)


@dataclass(frozen=True)
class RefreshTokens:
    """Refresh tokens: a client that has one gets access tokens without the password.

    They are signed as access tokens are, but for another audience, so that neither is accepted as
    the other. Each is bound to the secret that was checked: when that is changed or revoked, the
    token is worth nothing. ``seconds`` is their lifetime; 0 issues none.
    """

    issuer: Issuer
    seconds: int = 30 * 86400

    @property
    def audience(self) -> str:
        """An audience that no access token has: the name of a service contains no ``#``."""
        return f"{self.issuer.service}#refresh"

    def issue(self, login: Login) -> str | None:
        """Return a refresh token for a login; None if none is issued."""
        seconds = self.seconds
        if login.refresh_seconds is not None:
            seconds = min(seconds, login.refresh_seconds)
        if seconds <= 0:
            return None
        claims: dict[str, object] = {
            "identity": identity_claim(login.identity),
            "source": login.source,
            "credential": login.credential,
        }
        if login.limits is not None:
            claims["limits"] = [str(scope) for scope in login.limits]
        return self.issuer.sign(claims, seconds, audience=self.audience)

    async def read(self, token: str) -> Login:
        """Return the login that a refresh token was issued for.

        :raises CredentialsInvalid: it is not a refresh token of this registry, or has expired.
        """
        issuer = self.issuer
        verifier = TokenVerifier(issuer.key_set, issuer.service, self.audience, now=issuer.now)
        claims = (await verifier.verify(token)).claims
        limits = claims.get("limits")
        return Login(
            identity_from_claim(claims["identity"]),
            claims["source"],
            claims["credential"],
            None if limits is None else parse_scopes(limits),
        )
