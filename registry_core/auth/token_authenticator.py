"""Requests with a token that a token service has signed: modes ``token`` and ``builtin``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..spec.errors import RegistryError, Unauthorized
from ..spec.scopes import Scope
from .caller import ANYBODY, Caller, Granted
from .challenge import ChallengeError, bearer_challenge
from .verification import TokenVerifier

TOKEN_PATH = "/auth/token"  # noqa: S105 - distribution's ``autoredirectpath``
"""Where the token service is, if it is at the registry's own address."""


@dataclass(frozen=True)
class TokenAuthenticator:
    """`Authenticator` that takes tokens only.

    ``realm`` is the URL that gives them: None for ``path`` at the registry's own address.
    """

    verifier: TokenVerifier
    realm: str | None
    service: str
    path: str = TOKEN_PATH

    async def authenticate(self, authorization: str | None, *, at: float | None = None) -> Caller:
        """Credentials of another kind are as good as none: they get the challenge.

        :raises CredentialsInvalid: the token proves nothing.
        :raises Unavailable: that cannot be told now.
        """
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return ANYBODY
        verified = await self.verifier.verify(token, at)
        return Caller(verified.subject, Granted(verified.scopes), is_known=True)

    def challenge(
        self, caller: Caller | None, needed: Sequence[Scope], base_url: str
    ) -> RegistryError:
        """Always a challenge: with another token it may be granted."""
        error = None
        if caller is None:
            error = ChallengeError.INVALID_TOKEN
        elif caller.is_known:
            error = ChallengeError.INSUFFICIENT_SCOPE
        realm = self.realm or f"{base_url}{self.path}"
        challenge = bearer_challenge(realm, self.service, needed, error)
        return Unauthorized(headers={"WWW-Authenticate": challenge})
