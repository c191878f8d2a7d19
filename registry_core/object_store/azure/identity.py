"""Signing in as an identity of Entra ID, with azure-identity: imported when a token is asked for.

It takes half a second to import, and much of what is asked first needs no storage.
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

_RENEWAL = 300.0
"""Seconds before a token's end, where Entra ID names no time of its own."""
_LEEWAY = 10.0
"""Seconds: a token that is about to end may do so on its way."""
_NEW = 5.0
"""Seconds: of several calls whose token was refused, the first has fetched the next one for all."""

# Of Entra ID's errors: learn.microsoft.com/entra/identity-platform/reference-error-codes
_ENTRA_CODE = re.compile(r"AADSTS\d+")


class SignInFailed(AzureError):
    """There is no token. Its text says whose, and nothing of what azure-identity tried."""


@dataclass(frozen=True)
class Identity:
    """Who signs in.

    With a ``client_secret``: an application, in the tenant ``tenant_id``. Without: the process's
    own identity, or the one called ``client_id`` where it has several. ``setting`` is the name of
    what chooses it, for messages.
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
        return f"the app's own identity ({self.setting} would name another)"


Maker = Callable[[Identity], AsyncSupportsTokenInfo]


def make_credential(identity: Identity) -> AsyncSupportsTokenInfo:
    """azure-identity's credential. Slow: it imports what it is made of. No event loop is needed."""
    # It writes of each attempt that fails; what comes of them all is told once, here.
    logging.getLogger("azure.identity").setLevel(logging.ERROR)
    if identity.client_secret:
        from azure.identity.aio import ClientSecretCredential

        return ClientSecretCredential(
            identity.tenant_id or "", identity.client_id or "", identity.client_secret
        )
    from azure.identity.aio import DefaultAzureCredential

    # It would find AZURE_CLIENT_ID by itself, but takes None for an answer.
    chosen = {"managed_identity_client_id": identity.client_id} if identity.client_id else {}
    return DefaultAzureCredential(**chosen)


class LateCredential:
    """An `AsyncTokenCredential` for storage, and no other scope.

    ``seconds`` bound one sign-in: azure-identity would try for minutes.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        seconds: float,
        make: Maker = make_credential,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._identity = identity
        self._seconds = seconds
        self._make = make
        self._clock = clock
        self._real: AsyncSupportsTokenInfo | None = None
        self._token: Refreshing[AccessTokenInfo] = Refreshing(
            "the token for storage", self._ask, clock=clock
        )
        self._last: AccessTokenInfo | None = None
        self._fetched = float("-inf")
        self._refused = False

    async def get_token_info(
        self, *scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo:
        """:raises SignInFailed: with a reason."""
        # The SDK has options when storage has just refused a token.
        if options and self._last is not None and self._clock() >= self._fetched + _NEW:
            self._refused = self._token.drop(self._last)
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
        """The same in the SDK's older words."""
        options: TokenRequestOptions = {"tenant_id": tenant_id} if tenant_id else {}
        if claims:
            options["claims"] = claims
        token = await self.get_token_info(*scopes, options=options)
        return AccessToken(token.token, token.expires_on)

    async def close(self) -> None:
        await self._token.close()
        await self._let_go()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()

    async def _ask(self) -> Expiring[AccessTokenInfo]:
        try:
            async with asyncio.timeout(self._seconds):
                if self._refused:  # azure-identity has it as well, and would give it again
                    await self._let_go()
                if self._real is None:
                    self._real = await asyncio.to_thread(self._make, self._identity)
                token = await self._real.get_token_info(_SCOPE)
        except TimeoutError:
            raise SignInFailed(f"no token for {self._identity} in {self._seconds:g} s") from None
        except (AzureError, ValueError) as error:
            raise self._explained(error) from None
        self._fetched = self._clock()
        ends = token.expires_on - _LEEWAY
        renew = token.refresh_on or token.expires_on - _RENEWAL
        # One that ends sooner is used up first: it would be asked for all the time.
        return Expiring(token, refresh_at=max(renew, (self._fetched + ends) / 2), expires_at=ends)

    def _explained(self, error: Exception) -> SignInFailed:
        text = " ".join(str(error).split())
        codes = " ".join(dict.fromkeys(_ENTRA_CODE.findall(text)))
        _log.warning("no token for %s: %s", self._identity, text)
        if self._identity.client_secret:
            advice = "check its client id, tenant and secret"
        else:
            advice = "assign an identity to the app, and name it if it has several"
        return SignInFailed(f"no token for {self._identity}{codes and f' ({codes})'}: {advice}")

    async def _let_go(self) -> None:
        real, self._real, self._refused = self._real, None, False
        if real is not None:
            await real.close()
