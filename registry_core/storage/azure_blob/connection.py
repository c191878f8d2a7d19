"""The way to one container of Blob Storage: in whose name, and over which client."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Self
from urllib.parse import quote

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import ResourceExistsError
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.storage.blob.aio import BlobClient, BlobServiceClient

from .calls import Call, calling
from .limits import Limits
from .service import OnCall, make_service
from .signing import DelegatedSigner, KeySigner, Signer, account_of

_DEFAULT_LIMITS = Limits()


class Connection:
    """Made by one of the ``from_`` constructors; to be closed in the end.

    ``on_call`` is told of every HTTP request. ``transport`` replaces the SDK's way to the network.
    """

    def __init__(
        self, service: BlobServiceClient, container: str, signer: Signer, limits: Limits
    ) -> None:
        self._limits = limits
        self._container = service.get_container_client(container)
        self._signer = signer
        self._owned = AsyncExitStack()
        self._owned.push_async_callback(service.close)

    @classmethod
    def from_connection_string(cls, connection_string: str, container: str, **options: Any) -> Self:
        """:raises ValueError: when it is no connection string, or one without an account key."""
        try:
            told = BlobServiceClient.from_connection_string(connection_string)
        except ValueError as error:
            raise ValueError(f"not a usable connection string: {error}") from None
        key = getattr(told.credential, "account_key", None)
        if key is None:
            raise ValueError("not a usable connection string: it has no AccountKey")
        return cls.from_key(told.url, container, told.credential.account_name, key, **options)

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
        """With the account's name and key, as they are found in the portal."""
        service = make_service(
            service_url,
            AzureNamedKeyCredential(account, key),
            limits=limits,
            on_call=on_call,
            transport=transport,
        )
        return cls(service, container, KeySigner(service_url, account, key), limits)

    @classmethod
    def from_default_credential(
        cls,
        service_url: str,
        container: str,
        *,
        on_call: OnCall | None = None,
        limits: Limits = _DEFAULT_LIMITS,
        transport: AsyncHttpTransport[Any, Any] | None = None,
    ) -> Self:
        """With the identity that Entra ID knows this process by."""
        from azure.identity.aio import DefaultAzureCredential

        credential = DefaultAzureCredential()
        service = make_service(
            service_url, credential, limits=limits, on_call=on_call, transport=transport
        )
        signer = DelegatedSigner(service_url, account_of(service_url), service, limits.total)
        store = cls(service, container, signer, limits)
        store._owned.push_async_callback(credential.close)
        return store

    async def ensure_container(self) -> None:
        """Create the container if it is not there."""
        async with self._calling("ensure_container", ""):
            try:
                await self._container.create_container()
            except ResourceExistsError:
                return

    async def signed_url(self, path: str, *, seconds: int) -> str:
        name = self._container.container_name
        query = await self._signer.sign(name, path, seconds=seconds)
        return f"{self._container.url}/{quote(path)}?{query}"

    async def close(self) -> None:
        await self._owned.aclose()

    def _blob(self, path: str) -> BlobClient:
        return self._container.get_blob_client(path)

    def _calling(
        self, operation: str, path: str, *, seconds: float | None = None
    ) -> AbstractAsyncContextManager[Call]:
        return calling(operation, path, seconds=seconds or self._limits.total)
