"""The authenticators of the modes ``htpasswd`` and ``token``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..spec.errors import Denied, RegistryError, Unauthorized
from ..spec.scopes import Scope
from .caller import ANYBODY, Caller, CredentialsInvalid, Granted
from .challenges import (
    ChallengeError,
    basic_challenge,
    bearer_challenge,
    parse_basic,
    parse_bearer,
)
from .identity import ANONYMOUS, IdentitySource

if TYPE_CHECKING:  # each mode imports only what it needs
    from .rules import Rules
    from .tokens.verification import TokenVerifier

TOKEN_PATH = "/auth/token"  # noqa: S105 - distribution's ``autoredirectpath``
"""The path of the token service if it is at the registry's own address."""


@dataclass(frozen=True)
class BasicAuthenticator:
    """`Authenticator` by user name and password. ``realm`` is what browsers show when they ask."""

    source: IdentitySource
    realm: str
    rules: Rules

    async def authenticate(
        self, authorization: str | None, *, at: float | None = None, client: str = ""
    ) -> Caller:
        name, password = ("", "") if authorization is None else parse_basic(authorization)
        if not name and not password:  # sent by some clients that have no credentials
            return Caller(permissions=self.rules.permissions(ANONYMOUS))
        login = await self.source.log_in(name, password, client=client)
        if login is None:
            raise CredentialsInvalid("unknown user or wrong password")
        identity = login.identity
        permissions = self.rules.permissions(identity)
        return Caller(identity.name, permissions, is_known=True, kind=identity.source)

    def challenge(
        self, caller: Caller | None, needed: Sequence[Scope], base_url: str
    ) -> RegistryError:
        """Return a challenge for callers without valid credentials, a refusal for the others."""
        if caller is not None and caller.is_known:
            return Denied(detail=[str(scope) for scope in caller.lacks(needed)])
        message = "unknown user or wrong password" if caller is None else ""
        return Unauthorized(message, headers={"WWW-Authenticate": basic_challenge(self.realm)})


@dataclass(frozen=True)
class TokenAuthenticator:
    """`Authenticator` by tokens of a token service.

    ``realm`` is the URL of the token service; None means ``path`` at the registry's own address.
    """

    verifier: TokenVerifier
    realm: str | None
    service: str
    path: str = TOKEN_PATH

    async def authenticate(
        self, authorization: str | None, *, at: float | None = None, client: str = ""
    ) -> Caller:
        """Return the bearer of a token. Credentials of another kind count as none."""
        token = parse_bearer(authorization)
        if not token:
            return ANYBODY
        verified = await self.verifier.verify(token, at)
        return Caller(
            verified.subject,
            Granted(verified.scopes),
            is_known=True,
            kind="token",
            token=verified.id,
        )

    def challenge(
        self, caller: Caller | None, needed: Sequence[Scope], base_url: str
    ) -> RegistryError:
        """Return a challenge for every caller: another token may grant what this one does not."""
        error = None
        if caller is None:
            error = ChallengeError.INVALID_TOKEN
        elif caller.is_known:
            error = ChallengeError.INSUFFICIENT_SCOPE
        realm = self.realm or f"{base_url}{self.path}"
        challenge = bearer_challenge(realm, self.service, needed, error)
        return Unauthorized(headers={"WWW-Authenticate": challenge})
