"""Refresh tokens: with one, a client that logged in gets access tokens without the password.

They are signed as access tokens are, but for another audience, so that neither is ever taken for
the other. Each is bound to the credential that was shown: when that is changed or revoked, the
token is worth nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..spec.scopes import parse_scopes
from .issuing import Issuer, identity_of_claim, identity_to_claim
from .logins import Login
from .verification import TokenVerifier


@dataclass(frozen=True)
class RefreshTokens:
    """``seconds``: how long one may be used; 0 gives none out."""

    issuer: Issuer
    seconds: int = 30 * 86400

    @property
    def audience(self) -> str:
        """No access token is for it: the name of a service has no such sign."""
        return f"{self.issuer.service}#refresh"

    def issue(self, login: Login) -> str | None:
        """A token for a login; None where none is given out."""
        seconds = self.seconds if login.seconds is None else min(login.seconds, self.seconds)
        if seconds <= 0:
            return None
        claims: dict[str, object] = {
            "identity": identity_to_claim(login.identity),
            "source": login.source,
            "credential": login.credential,
        }
        if login.limits is not None:
            claims["limits"] = [str(scope) for scope in login.limits]
        return self.issuer.sign(claims, seconds, audience=self.audience)

    async def read(self, token: str) -> Login:
        """The login that a token was given for.

        :raises CredentialsInvalid: it is no refresh token of ours, or has expired.
        """
        issuer = self.issuer
        verifier = TokenVerifier(issuer.key_set, issuer.service, self.audience, now=issuer.now)
        claims = (await verifier.verify(token)).claims
        limits = claims.get("limits")
        return Login(
            identity_of_claim(claims["identity"]),
            claims["source"],
            claims["credential"],
            None if limits is None else parse_scopes(limits),
        )
