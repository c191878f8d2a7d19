"""The exchange of tokens, as Azure Container Registry (ACR) does it. Knows no HTTP.

Sources: ACR's docs/AAD-OAuth.md and docs/Token-BasicAuth.md (github.com/Azure/acr); the calls of
azure-cli (``acr/_docker_utils.py``), of the azure-containerregistry SDK (``_exchange_client.py``)
and of Kubernetes' acr-credential-provider (``azure_acr_helper.go``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..caller import CredentialsInvalid
from ..identity import IdentitySource, Login
from .issuing import RefreshTokens
from .service import TOKEN_USER

_GRANT_TYPES = ("access_token", "access_token_refresh_token")


class ExchangeUnsupported(Exception):
    """The registry does not support the request. The text says what it supports."""


@dataclass(frozen=True)
class TokenExchange:
    """Exchanges tokens of other issuers, which the sources check, for refresh tokens."""

    sources: Sequence[IdentitySource]
    refresh_tokens: RefreshTokens

    async def exchange(self, form: Mapping[str, str]) -> str:
        """Return a refresh token for the form's ``access_token``: `log_in` and `issue` in one."""
        return self.issue(await self.log_in(form))

    async def log_in(self, form: Mapping[str, str]) -> Login:
        """Return the login that the form's ``access_token`` proves.

        ``tenant`` and ``service`` are not needed: the token names its issuer and its audience.

        :raises ExchangeUnsupported: the request is not supported.
        :raises CredentialsInvalid: the token proves nothing to any source.
        :raises Unavailable: the token cannot be checked now.
        """
        if form.get("grant_type") not in _GRANT_TYPES:
            raise ExchangeUnsupported(
                f"grant_type must be one of {', '.join(_GRANT_TYPES)}: a refresh token of Entra ID"
                " can only be used by the client that it was issued to"
            )
        token = form.get("access_token")
        if not token:
            raise ExchangeUnsupported("access_token must be the token to exchange")
        for source in self.sources:
            if login := await source.log_in(TOKEN_USER, token):
                return login
        raise CredentialsInvalid("the token is not accepted by this registry", is_public=True)

    def issue(self, login: Login) -> str:
        """Return a refresh token for a login.

        :raises ExchangeUnsupported: the registry issues none.
        """
        token = self.refresh_tokens.issue(login)
        if token is None:
            raise ExchangeUnsupported(
                "this registry issues no refresh tokens: use the access token as the password of"
                f" the user {TOKEN_USER}"
            )
        return token
