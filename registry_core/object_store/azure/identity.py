"""Signing in as an identity of Entra ID with azure-identity, which is imported on first use.

Its import takes half a second, and a first request may not need storage at all.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.credentials_async import AsyncSupportsTokenInfo
from azure.core.exceptions import AzureError

from ...aio import Expiring, Refreshing

_log = logging.getLogger(__name__)

# The same in all clouds: learn.microsoft.com/azure/storage/blobs, "Authorize access to blobs"
_SCOPE = "https://storage.azure.com/.default"

_REFRESH_BEFORE = 300.0
"""Seconds before its expiry that a token is refreshed, unless Entra ID says when."""
_LEEWAY = 10.0
"""Seconds before its expiry from which a token is not used any more: it could expire in transit."""
_MIN_AGE = 5.0
"""Seconds for which a new token is not replaced: of several calls whose token was rejected, the
first has fetched the next one for all."""

# The codes of Entra ID's errors: learn.microsoft.com/entra/identity-platform/reference-error-codes
_ENTRA_CODE = re.compile(r"AADSTS\d+")


class SignInFailed(AzureError):
    """A token could not be obtained. The text names the identity, not what azure-identity tried."""


@dataclass(frozen=True)
class AzureIdentity:
    """The identity that the app signs in to storage with.

    With a ``client_secret`` an application of the tenant ``tenant_id``. Without one the identity of
    the process, the one with ``client_id`` if it has several. ``setting`` is the name of the
    setting that selects it, for messages.
    """

    client_id: str | None = None
    tenant_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    setting: str = "AZURE_CLIENT_ID"

    def __str__(self) -> str:
        if self.client_secret:
            return f"the application with the client id {self.client_id}"
        if self.client_id:
            return f"the identity with the client id {self.client_id}"
        return f"the app's own identity ({self.setting} would select another)"


CredentialFactory = Callable[[AzureIdentity], AsyncSupportsTokenInfo]


def make_credential(identity: AzureIdentity) -> AsyncSupportsTokenInfo:
    """Return a credential of azure-identity. Slow, as it imports that; needs no event loop."""
    # It logs each attempt that fails; their outcome is logged once, here.
    logging.getLogger("azure.identity").setLevel(logging.ERROR)
    if identity.client_secret:
        from azure.identity.aio import ClientSecretCredential

        return ClientSecretCredential(
            identity.tenant_id or "", identity.client_id or "", identity.client_secret
        )
    from azure.identity.aio import DefaultAzureCredential

    # It would read AZURE_CLIENT_ID by itself, but None would override that.
    chosen = {"managed_identity_client_id": identity.client_id} if identity.client_id else {}
    return DefaultAzureCredential(**chosen)


class LazyCredential:
    """An `AsyncTokenCredential` for storage, and for no other scope.

    ``seconds`` limit one sign-in: azure-identity would try for minutes.
    """

    def __init__(
        self,
        identity: AzureIdentity,
        *,
        seconds: float,
        make: CredentialFactory = make_credential,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._identity = identity
        self._seconds = seconds
        self._make = make
        self._clock = clock
        self._credential: AsyncSupportsTokenInfo | None = None
        self._token: Refreshing[AccessTokenInfo] = Refreshing(
            "the token for storage", self._fetch, clock=clock
        )
        self._last: AccessTokenInfo | None = None
        self._fetched = float("-inf")
        self._is_rejected = False

    async def get_token_info(
        self, *scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo:
        """Return a valid token.

        :raises SignInFailed: a token could not be obtained; the text says why.
        """
        # The SDK passes options when storage has just rejected a token.
        if options and self._last is not None and self._clock() >= self._fetched + _MIN_AGE:
            self._is_rejected = self._token.drop(self._last)
        self._last = await self._token.get()
        return self._last

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **_: Any,
    ) -> AccessToken:
        """Return a valid token, in the SDK's older protocol."""
        options: TokenRequestOptions = {"tenant_id": tenant_id} if tenant_id else {}
        if claims:
            options["claims"] = claims
        token = await self.get_token_info(*scopes, options=options)
        return AccessToken(token.token, token.expires_on)

    async def close(self) -> None:
        await self._token.close()
        await self._drop_credential()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()

    async def _fetch(self) -> Expiring[AccessTokenInfo]:
        try:
            async with asyncio.timeout(self._seconds):
                if self._is_rejected:  # azure-identity caches it as well, and would return it
                    await self._drop_credential()
                if self._credential is None:
                    self._credential = await asyncio.to_thread(self._make, self._identity)
                token = await self._credential.get_token_info(_SCOPE)
        except TimeoutError:
            raise SignInFailed(f"no token for {self._identity} in {self._seconds:g} s") from None
        except (AzureError, ValueError) as error:
            raise self._explain(error) from None
        self._fetched = self._clock()
        expires_at = token.expires_on - _LEEWAY
        refresh_at = token.refresh_on or token.expires_on - _REFRESH_BEFORE
        # A token that expires sooner is not refreshed at once: that would happen all the time.
        refresh_at = max(refresh_at, (self._fetched + expires_at) / 2)
        return Expiring(token, refresh_at, expires_at)

    def _explain(self, error: Exception) -> SignInFailed:
        text = " ".join(str(error).split())
        codes = " ".join(dict.fromkeys(_ENTRA_CODE.findall(text)))
        _log.warning("no token for %s: %s", self._identity, text)
        if self._identity.client_secret:
            advice = "check its client id, tenant and secret"
        else:
            advice = "assign an identity to the app, and select one if it has several"
        return SignInFailed(f"no token for {self._identity}{codes and f' ({codes})'}: {advice}")

    async def _drop_credential(self) -> None:
        credential, self._credential, self._is_rejected = self._credential, None, False
        if credential is not None:
            await credential.close()
