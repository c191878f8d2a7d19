"""The storage account that the live tests use, and what the registry's client has no method for."""

from __future__ import annotations

import base64
import os
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from registry_core.object_store.azure import AzureBlobStore
from registry_core.object_store.azure.errors import is_from_storage
from registry_core.object_store.errors import StoreError

CONNECTION_STRING = "REGISTRY_LIVE_CONNECTIONSTRING"
SERVICE_URL = "REGISTRY_LIVE_SERVICEURL"
NO_ACCOUNT = f"no storage account: set {CONNECTION_STRING} or {SERVICE_URL}"


@dataclass(frozen=True)
class Account:
    """A storage account: a connection string with a key, or an address, used as an identity."""

    connection_string: str = ""
    service_url: str = ""

    @asynccontextmanager
    async def opened(self, container: str, **options: Any) -> AsyncIterator[AzureBlobStore]:
        """Open a store over a container; ``options`` as for `AzureBlobStore.from_key`."""
        if self.connection_string:
            by_string = AzureBlobStore.from_connection_string
            store = by_string(self.connection_string, container, **options)
        else:
            store = AzureBlobStore.from_identity(self.service_url, container, **options)
        try:
            yield store
        finally:
            await store.close()

    @asynccontextmanager
    async def new_container(self) -> AsyncIterator[str]:
        """Create a container, and delete it afterwards. Yields its name."""
        name = f"moorage-live-{uuid.uuid4().hex}"
        async with self.opened(name) as store:
            await store.ensure_container()
            try:
                yield name
            finally:
                await send(store, "DELETE", None, {"restype": "container"})


def find_account() -> Account | None:
    """Return the account of the environment, if it names one."""
    connection_string = os.environ.get(CONNECTION_STRING, "")
    service_url = os.environ.get(SERVICE_URL, "")
    return Account(connection_string, service_url) if connection_string or service_url else None


async def send(
    store: AzureBlobStore,
    method: str,
    path: str | None,
    query: Mapping[str, str] | None = None,
    **options: Any,
) -> Mapping[str, str]:
    """Send a request about a blob, or about the container; ``options`` as for `Request`."""
    return await store._container.send("live test", method, path, query=query or {}, **options)


async def is_emulator(store: AzureBlobStore) -> bool:
    """Return whether this is Azurite."""
    headers = await send(store, "HEAD", None, {"restype": "container"})
    assert is_from_storage(headers)
    return headers.get("Server", "").startswith("Azurite")


async def has_soft_delete(store: AzureBlobStore) -> bool:
    """Return whether the account keeps deleted blobs for a while."""
    await store.put("is-it-kept", b"")
    await store.delete("is-it-kept")
    try:
        await undelete(store, "is-it-kept")
        await store.delete("is-it-kept")
    except StoreError:
        return False
    return True


async def undelete(store: AzureBlobStore, path: str) -> None:
    """Restore a blob and its snapshots that are kept. REST: undelete-blob."""
    await send(store, "PUT", path, {"comp": "undelete"})


async def take_snapshot(store: AzureBlobStore, path: str) -> None:
    """Make a snapshot of a blob. REST: snapshot-blob."""
    await send(store, "PUT", path, {"comp": "snapshot"})


async def append(store: AzureBlobStore, path: str, *pieces: bytes) -> None:
    """Write an append blob. REST: put-blob, append-block."""
    await send(store, "PUT", path, headers={"x-ms-blob-type": "AppendBlob"})
    for piece in pieces:
        await send(store, "PUT", path, {"comp": "appendblock"}, body=piece)


async def stage_foreign(store: AzureBlobStore, path: str, block_id: str, content: bytes) -> None:
    """Stage a block with an id of any length. REST: put-block."""
    encoded = base64.b64encode(block_id.encode()).decode()
    await send(store, "PUT", path, {"comp": "block", "blockid": encoded}, body=content)
