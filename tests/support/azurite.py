"""What tests do with Azurite behind the registry's back."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from azure.core.rest import HttpRequest
from azure.storage.blob import ContainerClient, ContainerSasPermissions, generate_container_sas

from registry_core.object_store.azure import AzureBlobStore
from registry_core.object_store.azure.transport import Transport
from registry_core.serve.azurite import ACCOUNT, KEY, Azurite
from tests.support.secure_azurite import SecureAzurite, Trusting


def container_client(azurite: Azurite, name: str) -> ContainerClient:
    """The SDK's client for a container. Use it in a `with`."""
    trusted: dict[str, Any] = {}
    if isinstance(azurite, SecureAzurite):
        trusted = {"connection_verify": str(azurite.trust.certificate)}
    return ContainerClient.from_connection_string(azurite.connection_string, name, **trusted)


def create_container(azurite: Azurite) -> str:
    """Create a container with a name that nobody used before. Returns the name."""
    name = f"test-{uuid.uuid4().hex}"
    with container_client(azurite, name) as container:
        container.create_container()
    return name


def write_append_blob(azurite: Azurite, container: str, path: str, *pieces: bytes) -> None:
    """Create an append blob as CNCF distribution does: empty first, then filled."""
    with container_client(azurite, container) as client:
        blob = client.get_blob_client(path)
        blob.create_append_blob()
        for piece in pieces:
            blob.append_block(piece)


@asynccontextmanager
async def opened(azurite: Azurite, container: str, **options: Any) -> AsyncIterator[AzureBlobStore]:
    """The store under test over a container; ``options`` as for `AzureBlobStore.from_key`."""
    store = AzureBlobStore.from_connection_string(azurite.connection_string, container, **options)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def signed_in(
    azurite: SecureAzurite, container: str, **options: Any
) -> AsyncIterator[AzureBlobStore]:
    """The store as an identity; ``options`` as for `AzureBlobStore.from_identity`."""
    transport = options.pop("transport", None) or Trusting(azurite.trust)
    url = options.pop("service_url", azurite.service_url)
    store = AzureBlobStore.from_identity(url, container, transport=transport, **options)
    try:
        yield store
    finally:
        await store.close()


@dataclass(frozen=True)
class Lying:
    """A blob as it lies there. ``committed`` is false where there are only staged blocks."""

    path: str
    size: int
    kind: str
    committed: bool
    metadata: dict[str, str]


def everything_in(azurite: Azurite, container: str) -> list[Lying]:
    """All that is in a container, uncommitted blobs included, in lexical order."""
    with container_client(azurite, container) as client:
        committed = {blob.name for blob in client.list_blobs()}
        return [
            Lying(
                path=blob.name,
                size=blob.size,
                kind=str(blob.blob_type),
                committed=blob.name in committed,
                metadata=dict(blob.metadata or {}),
            )
            for blob in client.list_blobs(include=["metadata", "uncommittedblobs"])
        ]


def contents_of(azurite: Azurite, container: str, prefix: str = "") -> dict[str, bytes]:
    """The content of every committed blob under a prefix, by its path."""
    with container_client(azurite, container) as client:
        return {
            blob.name: client.download_blob(blob.name).readall()
            for blob in client.list_blobs(name_starts_with=prefix)
        }


class AsAzure(Transport):
    """A transport that has Azurite answer as Azure does where Put Blob meets an append blob.

    Azure refuses (409 InvalidBlobType), Azurite overwrites. But Azurite refuses a Put Block there,
    so that is sent instead, signed anew.
    """

    async def send(self, request: Any, **options: Any) -> Any:
        if self._is_put_blob(request) and await self._meets_append_blob(request, options):
            del request.headers["Authorization"]
            request.url += f"?comp=block&blockid={quote('YmxvY2s=')}&{_signature(request.url)}"
        return await super().send(request, **options)

    def _is_put_blob(self, request: Any) -> bool:
        return request.method == "PUT" and "x-ms-blob-type" in request.headers

    async def _meets_append_blob(self, request: Any, options: dict[str, Any]) -> bool:
        question = HttpRequest("HEAD", f"{request.url}?{_signature(request.url)}")
        answer = await super().send(question, **options)
        return bool(answer.headers.get("x-ms-blob-type") == "AppendBlob")


def _signature(url: str) -> str:
    return generate_container_sas(
        ACCOUNT,
        urlsplit(url).path.split("/")[2],
        account_key=KEY,
        permission=ContainerSasPermissions(read=True, write=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
