"""Direct access to Azurite: containers, blobs, and stores over them."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from azure.storage.blob import ContainerClient

from registry_core.object_store.azure import AzureBlobStore
from registry_core.serve.azurite import ACCOUNT, KEY, Azurite
from tests.support.secure_azurite import Connections, SecureAzurite


def container_client(azurite: Azurite, name: str) -> ContainerClient:
    """Return the SDK's client for a container. Use it in a `with`."""
    trusted: dict[str, Any] = {}
    if isinstance(azurite, SecureAzurite):
        trusted = {"connection_verify": str(azurite.trust.certificate)}
    return ContainerClient.from_connection_string(azurite.connection_string, name, **trusted)


def create_container(azurite: Azurite) -> str:
    """Create a container with a new name. Returns the name."""
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


def create_snapshot(azurite: Azurite, container: str, path: str) -> None:
    """Create a snapshot of a blob."""
    with container_client(azurite, container) as client:
        client.get_blob_client(path).create_snapshot()


def stage_block(azurite: Azurite, container: str, path: str, block_id: str, content: bytes) -> None:
    """Stage a block, with an id of any length, as another program does."""
    with container_client(azurite, container) as client:
        client.get_blob_client(path).stage_block(block_id, content)


@asynccontextmanager
async def opened(azurite: Azurite, container: str, **options: Any) -> AsyncIterator[AzureBlobStore]:
    """Open a store over a container; ``options`` as for `AzureBlobStore.from_key`."""
    store = AzureBlobStore.from_connection_string(azurite.connection_string, container, **options)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def opened_at(
    port: int, container: str, *, key: str = KEY, **options: Any
) -> AsyncIterator[AzureBlobStore]:
    """Open a store at a port of loopback; ``options`` as for `AzureBlobStore.from_key`."""
    url = f"http://127.0.0.1:{port}/{ACCOUNT}"
    store = AzureBlobStore.from_key(url, container, ACCOUNT, key, **options)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def signed_in(
    azurite: SecureAzurite, container: str, **options: Any
) -> AsyncIterator[AzureBlobStore]:
    """Open a store as an identity; ``options`` as for `AzureBlobStore.from_identity`."""
    connections = Connections(azurite.trust)
    url = options.pop("service_url", azurite.service_url)
    store = AzureBlobStore.from_identity(url, container, connector=connections.connector, **options)
    try:
        yield store
    finally:
        await store.close()
        await connections.ended()


@dataclass(frozen=True)
class StoredBlob:
    """A blob in Azurite. ``committed`` is false if there are only staged blocks."""

    path: str
    size: int
    kind: str
    committed: bool
    metadata: dict[str, str]


def everything_in(azurite: Azurite, container: str) -> list[StoredBlob]:
    """Return every blob of a container, uncommitted ones included, in lexical order."""
    with container_client(azurite, container) as client:
        committed = {blob.name for blob in client.list_blobs()}
        return [
            StoredBlob(
                path=blob.name,
                size=blob.size,
                kind=str(blob.blob_type),
                committed=blob.name in committed,
                metadata=dict(blob.metadata or {}),
            )
            for blob in client.list_blobs(include=["metadata", "uncommittedblobs"])
        ]


def contents_of(azurite: Azurite, container: str, prefix: str = "") -> dict[str, bytes]:
    """Return the content of every committed blob under a prefix, by path."""
    with container_client(azurite, container) as client:
        return {
            blob.name: client.download_blob(blob.name).readall()
            for blob in client.list_blobs(name_starts_with=prefix)
        }
