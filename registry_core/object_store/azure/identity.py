"""Signing in as an identity of Entra ID with azure-identity, which is imported on first use.

Its import takes half a second, and a first request may not need storage at all.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...aio import Expiring, Refreshing
from ..errors import StoreUnavailable
from .managed_identity import ManagedIdentity, ManagedToken, TokenEndpoint

if TYPE_CHECKING:
    from azure.core.credentials import AccessTokenInfo
    from azure.core.credentials_async import AsyncSupportsTokenInfo

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

_NOT_SIGNED_IN = "the registry cannot sign in to storage; its log says why"

# The codes of Entra ID's errors: learn.microsoft.com/entra/identity-platform/reference-error-codes
_ENTRA_CODE = re.compile(r"AADSTS\d+")


class NotSignedIn(StoreUnavailable):
    """A token could not be obtained. The text names the identity, not what azure-identity tried."""


@dataclass(frozen=True)
class AzureIdentity:
    """The identity that the app signs in to storage with.

    With a ``client_secret`` an application of the tenant ``tenant_id``. Without one the identity of
    the process, the one with ``client_id`` if it has several, by way of ``endpoint`` if that is a
    managed identity of App Service. ``setting`` is the name of the setting that selects it, for
    messages.
    """

    client_id: str | None = None
    tenant_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    setting: str = "AZURE_CLIENT_ID"
    endpoint: TokenEndpoint | None = None

    def __str__(self) -> str:
        if self.client_secret:
            return f"the application with the client id {self.client_id}"
        if self.client_id:
            return f"the identity with the client id {self.client_id}"
        return f"the app's own identity ({self.setting} would select another)"


CredentialFactory = Callable[[AzureIdentity], "AsyncSupportsTokenInfo | ManagedIdentity"]


def make_credential(identity: AzureIdentity) -> AsyncSupportsTokenInfo | ManagedIdentity:
    """Return a credential. Slow where it imports azure-identity; needs no event loop."""
    if identity.endpoint:
        return ManagedIdentity(identity.endpoint, identity.client_id)
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


class BearerToken:
    """Authorizes requests to storage as an identity. No token is requested before the first one.

    ``seconds`` limit one sign-in: azure-identity would try for minutes. ``clock`` is like
    `time.time`.
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
        self._credential: AsyncSupportsTokenInfo | ManagedIdentity | None = None
        self._header: Refreshing[str] = Refreshing(
            "the token for storage", self._fetch, clock=clock
        )
        self._fetched = float("-inf")
        self._is_rejected = False

    async def authorize(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> str:
        """Return the ``Authorization`` header: the same for all requests while the token is valid.

        :raises NotSignedIn: a token could not be obtained; the text says why.
        """
        return await self._header.get()

    def reject(self, authorization: str) -> bool:
        """Note that storage does not accept a token. Returns whether there is, or may be, another.

        A new token is not replaced at once.
        """
        current = self._header.current
        if current is None or current != authorization:
            return True  # another call has replaced it
        if self._clock() < self._fetched + _MIN_AGE:
            return False
        self._is_rejected = self._header.drop(current)
        return True

    async def close(self) -> None:
        """Close the connections of azure-identity."""
        await self._header.close()
        await self._drop_credential()

    async def _fetch(self) -> Expiring[str]:
        token = await self._sign_in()
        self._fetched = self._clock()
        expires_at = token.expires_on - _LEEWAY
        refresh_at = token.refresh_on or token.expires_on - _REFRESH_BEFORE
        # A token that expires sooner is not refreshed at once: that would happen all the time.
        refresh_at = max(refresh_at, (self._fetched + expires_at) / 2)
        return Expiring(f"Bearer {token.token}", refresh_at, expires_at)

    async def _sign_in(self) -> AccessTokenInfo | ManagedToken:
        try:
            async with asyncio.timeout(self._seconds):
                if self._is_rejected:  # azure-identity caches it as well, and would return it
                    await self._drop_credential()
                if self._credential is None:
                    self._credential = await asyncio.to_thread(self._make, self._identity)
                return await self._credential.get_token_info(_SCOPE)
        except TimeoutError:
            text = f"no token for {self._identity} in {self._seconds:g} s"
            raise NotSignedIn(text, public=_NOT_SIGNED_IN) from None
        except _sign_in_errors() as error:
            raise self._explain(error) from None

    def _explain(self, error: Exception) -> NotSignedIn:
        text = " ".join(str(error).split())
        codes = " ".join(dict.fromkeys(_ENTRA_CODE.findall(text)))
        _log.warning("no token for %s: %s", self._identity, text)
        if self._identity.client_secret:
            advice = "check its client id, tenant and secret"
        else:
            advice = "assign an identity to the app, and select one if it has several"
        text = f"no token for {self._identity}{codes and f' ({codes})'}: {advice}"
        return NotSignedIn(text, public=_NOT_SIGNED_IN)

    async def _drop_credential(self) -> None:
        credential, self._credential, self._is_rejected = self._credential, None, False
        if credential is not None:
            await credential.close()


def _sign_in_errors() -> tuple[type[Exception], ...]:
    """Return what azure-identity raises, once it has been imported."""
    from azure.core.exceptions import AzureError

    return AzureError, ValueError
