"""What clients made for Azure Container Registry (ACR) ask of it besides. Knows no HTTP.

Sources: ACR's docs/AAD-OAuth.md and docs/Token-BasicAuth.md (github.com/Azure/acr); the calls of
azure-cli (``acr/_docker_utils.py``), of the azure-containerregistry SDK (``_exchange_client.py``)
and of Kubernetes' acr-credential-provider (``azure_acr_helper.go``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .caller import CredentialsInvalid
from .logins import Login, LoginSource
from .refresh import RefreshTokens

NULL_USER = "00000000-0000-0000-0000-000000000000"
"""The user name that says: the password is a refresh token, or an access token of Entra ID."""

ENTRA_SECONDS = 3 * 3600
"""So long ACR's refresh tokens last."""

FEDERATED_SECONDS = 3600
"""A job's own token lasts for minutes; what it builds may take longer."""

_GRANT_TYPES = ("access_token", "access_token_refresh_token")


class ExchangeUnsupported(Exception):
    """It cannot be done for anybody. The text says what can."""


@dataclass(frozen=True)
class Exchange:
    """Refresh tokens for tokens that others signed: of ``sources``, for as long as they say."""

    sources: Sequence[LoginSource]
    refresh_tokens: RefreshTokens

    async def exchange(self, form: Mapping[str, str]) -> str:
        """The refresh token for ``access_token``.

        ``tenant`` and ``service`` are not needed: the token itself says whose and for whom it is.

        :raises ExchangeUnsupported: the request is for something else.
        :raises CredentialsInvalid: the token proves nothing here.
        :raises Unavailable: it cannot be told now.
        """
        if form.get("grant_type") not in _GRANT_TYPES:
            raise ExchangeUnsupported(
                f"grant_type must be one of {', '.join(_GRANT_TYPES)}: a refresh token of Entra ID"
                " is of use only to the client that it was given to"
            )
        token = form.get("access_token")
        if not token:
            raise ExchangeUnsupported("access_token must be the token to be exchanged")
        for source in self.sources:
            if login := await source.log_in(NULL_USER, token):
                return self._issue(login)
        raise CredentialsInvalid("the token proves nothing to this registry")

    def _issue(self, login: Login) -> str:
        token = self.refresh_tokens.issue(login)
        if token is None:
            raise ExchangeUnsupported(
                "this registry gives out no refresh tokens: use the access token as the password"
                f" of the user {NULL_USER}"
            )
        return token


@dataclass(frozen=True)
class RefreshTokenLogins:
    """`LoginSource` of who shows a refresh token as the password of `NULL_USER`.

    ``sources`` are those that the tokens were given for. Whoever comes so gets no other refresh
    token.
    """

    refresh_tokens: RefreshTokens
    sources: Sequence[LoginSource]
    source: str = "refresh"

    async def log_in(self, name: str, secret: str) -> Login | None:
        if name != NULL_USER:
            return None
        try:
            earlier = await self.refresh_tokens.read(secret)
        except CredentialsInvalid:
            return None
        for source in self.sources:
            if source.source == earlier.source and (renewed := await source.renew(earlier)):
                return replace(renewed, seconds=0)
        return None

    async def renew(self, login: Login) -> Login | None:
        """Nobody's: a login keeps the source that it was first made with."""
        return None
