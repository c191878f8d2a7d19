"""Refresh tokens: with one, a client that logged in gets access tokens without the password.

They are signed as access tokens are, but for another audience and of another type, so that neither
is ever taken for the other. Each is bound to the credential that was shown: when that is changed or
revoked, the token is worth nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jwt

from .caller import CredentialsInvalid
from .issuing import Issuer, identity_of_claim, identity_to_claim
from .logins import Login
from .scopes import parse_scopes

KIND = "refresh+jwt"
_REQUIRED = ["aud", "credential", "exp", "iat", "identity", "iss"]
_LONGEST = 16 * 2**10


@dataclass(frozen=True)
class RefreshTokens:
    """``seconds``: how long one may be used; 0 gives none out."""

    issuer: Issuer
    seconds: int = 30 * 86400

    @property
    def audience(self) -> str:
        return f"{self.issuer.service}#refresh"

    def issue(self, login: Login, seconds: int | None = None) -> str | None:
        """A token for a login, for ``seconds`` at most; None where none are given out."""
        lifetime = min(self.seconds, self.seconds if seconds is None else seconds)
        if lifetime <= 0:
            return None
        limits = None if login.limits is None else [str(scope) for scope in login.limits]
        claims = {
            "sub": login.identity.name,
            "identity": identity_to_claim(login.identity),
            "credential": login.credential,
            "limits": limits,
        }
        return self.issuer.sign(claims, lifetime, audience=self.audience, kind=KIND)

    def read(self, token: str) -> Login:
        """The login that a token was given for.

        :raises CredentialsInvalid: it is no refresh token of ours, or has expired.
        """
        claims = self._verified(token)
        if claims["exp"] <= self.issuer.now():
            raise CredentialsInvalid("the refresh token has expired: log in again")
        limits = claims.get("limits")
        return Login(
            identity_of_claim(claims["identity"]),
            claims["credential"],
            None if limits is None else parse_scopes(limits),
        )

    def _verified(self, token: str) -> dict[str, Any]:
        if len(token) > _LONGEST:
            raise CredentialsInvalid("the refresh token is too long to be one")
        try:
            header = jwt.get_unverified_header(token)
            key = {key.id: key for key in self.issuer.keys}.get(header.get("kid", ""))
            if key is None or header.get("typ") != KIND:
                raise CredentialsInvalid("the refresh token is none of this registry's")
            claims: dict[str, Any] = jwt.decode(
                token,
                key.private.public_key(),
                algorithms=[key.algorithm],
                audience=self.audience,
                issuer=self.issuer.service,
                options={
                    "require": _REQUIRED,
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidTokenError as error:
            raise CredentialsInvalid(f"the refresh token does not hold: {error}") from None
        return claims
