"""The connection to one container of Blob Storage: its credentials, client and signatures."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Self, TypeVar
from urllib.parse import quote

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import ResourceExistsError
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.storage.blob.aio import BlobClient, BlobServiceClient

from .access_denied import AccessDenied, StorageTarget
from .calls import Call, calling
from .identity import AzureIdentity, LazyCredential
from .limits import Limits
from .service import OnCall, make_service
from .signing import DelegatedSigner, KeySigner, Signature, Signer, account_of

T = TypeVar("T")

_DEFAULT_LIMITS = Limits()
_OWN_IDENTITY = AzureIdentity()


class Connection:
    """A connection to one container, opened on first use.

    Make one with a ``from_`` method, where an event loop runs, and close it there. Their options:
    ``on_call`` is called for every HTTP request, ``limits`` bound time, retries and copies,
    ``transport`` replaces the SDK's transport.
    """

    def __init__(
        self, service: BlobServiceClient, target: StorageTarget, signer: Signer, limits: Limits
    ) -> None:
        self._limits = limits
        self._target = target
        self._container = service.get_container_client(target.container)
        self._signer = signer
        self._owned = AsyncExitStack()
        self._owned.push_async_callback(service.close)
        self._owned.push_async_callback(signer.close)

    @classmethod
    def from_connection_string(cls, connection_string: str, container: str, **options: Any) -> Self:
        """Connect with a connection string that has an account key; ``options`` as for `from_key`.

        :raises ValueError: the connection string is not valid or has no account key.
        """
        try:
            parsed = BlobServiceClient.from_connection_string(connection_string)
        except ValueError as error:
            raise ValueError(f"the connection string is not valid: {error}") from None
        key = getattr(parsed.credential, "account_key", None)
        if key is None:
            raise ValueError("the connection string has no AccountKey")
        return cls.from_key(parsed.url, container, parsed.credential.account_name, key, **options)

    @classmethod
    def from_key(
        cls,
        service_url: str,
        container: str,
        account: str,
        key: str,
        *,
        on_call: OnCall | None = None,
        limits: Limits = _DEFAULT_LIMITS,
        transport: AsyncHttpTransport[Any, Any] | None = None,
    ) -> Self:
        """Connect with the name and a key of the storage account."""
        service = make_service(
            service_url,
            AzureNamedKeyCredential(account, key),
            limits=limits,
            on_call=on_call,
            transport=transport,
        )
        target = StorageTarget(account, container)
        return cls(service, target, KeySigner(service_url, account, key), limits)

    @classmethod
    def from_identity(
        cls,
        service_url: str,
        container: str,
        identity: AzureIdentity = _OWN_IDENTITY,
        *,
        on_call: OnCall | None = None,
        limits: Limits = _DEFAULT_LIMITS,
        transport: AsyncHttpTransport[Any, Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """Connect as an identity of Entra ID. No token is requested before it is needed.

        ``clock``, like `time.time`, decides when tokens and keys are refreshed.

        :raises ValueError: ``service_url`` is not an HTTPS URL.
        """
        credential = LazyCredential(identity, seconds=limits.sign_in, clock=clock)
        service = make_service(
            service_url, credential, limits=limits, on_call=on_call, transport=transport
        )
        target = StorageTarget(account_of(service_url), container, str(identity))
        signer = DelegatedSigner(service_url, service, target, seconds=limits.total, clock=clock)
        store = cls(service, target, signer, limits)
        store._owned.push_async_callback(credential.close)
        return store

    async def ensure_container(self) -> None:
        """Create the container unless it exists. One call."""
        async with self._calling("ensure_container", ""):
            try:
                await self._container.create_container()
            except ResourceExistsError:
                return

    async def signed_url(self, path: str, *, seconds: int) -> str:
        return self._url(path, await self._sign(path, seconds))

    async def _sign(self, path: str, seconds: float) -> Signature:
        return await self._signer.sign(self._target.container, path, seconds=seconds)

    def _url(self, path: str, signature: Signature) -> str:
        return f"{self._container.url}/{quote(path)}?{signature.query}"

    async def _with_source(
        self, source: str, call: Callable[[str], Awaitable[T]], *, seconds: float
    ) -> T:
        """Call with a signed URL of ``source``; once more, with a new key, if access is denied."""
        signature = await self._sign(source, seconds)
        try:
            return await call(self._url(source, signature))
        except AccessDenied as denied:
            if not (denied.may_concern_signature and self._signer.discard(signature)):
                raise
        return await call(self._url(source, await self._sign(source, seconds)))

    async def close(self) -> None:
        await self._owned.aclose()

    def _blob(self, path: str) -> BlobClient:
        return self._container.get_blob_client(path)

    def _calling(
        self, operation: str, path: str, *, seconds: float | None = None
    ) -> AbstractAsyncContextManager[Call]:
        return calling(operation, path, seconds=seconds or self._limits.total, target=self._target)
