"""The way to one container of Blob Storage: in whose name, and over which client."""

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

from .calls import Call, calling
from .identity import Identity, LateCredential
from .limits import Limits
from .refusals import Entrance, Refused
from .service import OnCall, make_service
from .signing import DelegatedSigner, KeySigner, Signature, Signer, account_of

T = TypeVar("T")

_DEFAULT_LIMITS = Limits()
_OWN = Identity()


class Connection:
    """Made by one of the ``from_`` constructors; to be closed in the end.

    ``on_call`` is told of every HTTP request. ``transport`` replaces the SDK's way to the network.
    """

    def __init__(
        self, service: BlobServiceClient, entrance: Entrance, signer: Signer, limits: Limits
    ) -> None:
        self._limits = limits
        self._entrance = entrance
        self._container = service.get_container_client(entrance.container)
        self._signer = signer
        self._owned = AsyncExitStack()
        self._owned.push_async_callback(service.close)
        self._owned.push_async_callback(signer.close)

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
        entrance = Entrance(account, container)
        return cls(service, entrance, KeySigner(service_url, account, key), limits)

    @classmethod
    def from_identity(
        cls,
        service_url: str,
        container: str,
        identity: Identity = _OWN,
        *,
        on_call: OnCall | None = None,
        limits: Limits = _DEFAULT_LIMITS,
        transport: AsyncHttpTransport[Any, Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """In the name of somebody whom Entra ID knows. No token is asked for before it is needed.

        ``clock`` counts as `time.time`, and says when tokens and keys are renewed.
        """
        credential = LateCredential(identity, seconds=limits.sign_in, clock=clock)
        service = make_service(
            service_url, credential, limits=limits, on_call=on_call, transport=transport
        )
        entrance = Entrance(account_of(service_url), container, str(identity))
        signer = DelegatedSigner(service_url, service, entrance, seconds=limits.total, clock=clock)
        store = cls(service, entrance, signer, limits)
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
        return self._url(path, await self._sign(path, seconds))

    async def _sign(self, path: str, seconds: float) -> Signature:
        return await self._signer.sign(self._entrance.container, path, seconds=seconds)

    def _url(self, path: str, signature: Signature) -> str:
        return f"{self._container.url}/{quote(path)}?{signature.query}"

    async def _reading(
        self, source: str, call: Callable[[str], Awaitable[T]], *, seconds: float
    ) -> T:
        """``call`` with a signed URL of ``source``, and once more where its key is refused."""
        signature = await self._sign(source, seconds)
        try:
            return await call(self._url(source, signature))
        except Refused as refused:
            if not (refused.may_be_of_signature and self._signer.forget(signature)):
                raise
        return await call(self._url(source, await self._sign(source, seconds)))

    async def close(self) -> None:
        await self._owned.aclose()

    def _blob(self, path: str) -> BlobClient:
        return self._container.get_blob_client(path)

    def _calling(
        self, operation: str, path: str, *, seconds: float | None = None
    ) -> AbstractAsyncContextManager[Call]:
        return calling(
            operation, path, seconds=seconds or self._limits.total, entrance=self._entrance
        )
