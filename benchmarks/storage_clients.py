"""The same storage calls by three clients: ours, Microsoft's SDK, and bare aiohttp with a SAS."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

from aiohttp import ClientSession
from azure.storage.blob import BlobBlock
from azure.storage.blob.aio import BlobServiceClient
from yarl import URL

from registry_core.object_store.azure import AzureBlobStore
from registry_core.object_store.interface import UNCONDITIONAL

from .storage import VERSION, BareStorage


class StorageClient(Protocol):
    """One call each, with its answer read to the end."""

    async def head(self, path: str) -> object: ...
    async def get(self, path: str, size: int) -> object: ...
    async def put(self, path: str, content: bytes, metadata: Mapping[str, str]) -> object: ...
    async def set_metadata(self, path: str, metadata: Mapping[str, str]) -> object: ...
    async def delete(self, path: str) -> object: ...
    async def delete_many(self, paths: Sequence[str]) -> object:
        """Delete in one batch."""

    async def list_rows(self, prefix: str) -> int:
        """List one page of up to 5,000 rows with metadata; return how many there are."""

    async def stage(self, path: str, block_id: str, content: bytes) -> object: ...
    async def commit(self, path: str, block_id: str, metadata: Mapping[str, str]) -> object: ...
    async def copy(
        self, path: str, source: str, size: int, metadata: Mapping[str, str]
    ) -> object: ...
    async def close(self) -> None: ...


class Ours:
    """`AzureBlobStore` with an account key."""

    def __init__(self, connection_string: str, container: str) -> None:
        self._store = AzureBlobStore.from_connection_string(connection_string, container)

    async def head(self, path: str) -> object:
        return await self._store.head(path)

    async def get(self, path: str, size: int) -> object:
        return await self._store.get(path, limit=size)

    async def put(self, path: str, content: bytes, metadata: Mapping[str, str]) -> object:
        return await self._store.put(path, content, metadata=metadata)

    async def set_metadata(self, path: str, metadata: Mapping[str, str]) -> object:
        return await self._store.set_metadata(path, metadata)

    async def delete(self, path: str) -> None:
        await self._store.delete(path)

    async def delete_many(self, paths: Sequence[str]) -> None:
        await self._store.delete_batch([(path, UNCONDITIONAL) for path in paths])

    async def list_rows(self, prefix: str) -> int:
        return len((await self._store.list_page(prefix, metadata=True)).entries)

    async def stage(self, path: str, block_id: str, content: bytes) -> None:
        md5 = hashlib.md5(content, usedforsecurity=False).digest()
        await self._store.stage(path, block_id, content, md5=md5)

    async def commit(self, path: str, block_id: str, metadata: Mapping[str, str]) -> object:
        return await self._store.commit(path, [block_id], metadata=metadata)

    async def copy(self, path: str, source: str, size: int, metadata: Mapping[str, str]) -> object:
        return await self._store.copy(path, source, size=size, metadata=metadata)

    async def close(self) -> None:
        await self._store.close()


class Sdk:
    """azure-storage-blob's asynchronous client as it comes, with an account key."""

    def __init__(self, connection_string: str, container: str) -> None:
        self._service = BlobServiceClient.from_connection_string(connection_string)
        self._container = self._service.get_container_client(container)
        self._sources = BareStorage("", connection_string, container)

    async def head(self, path: str) -> object:
        return await self._blob(path).get_blob_properties()

    async def get(self, path: str, size: int) -> object:
        return await (await self._blob(path).download_blob()).readall()

    async def put(self, path: str, content: bytes, metadata: Mapping[str, str]) -> object:
        return await self._blob(path).upload_blob(content, overwrite=True, metadata=dict(metadata))

    async def set_metadata(self, path: str, metadata: Mapping[str, str]) -> object:
        return await self._blob(path).set_blob_metadata(dict(metadata))

    async def delete(self, path: str) -> object:
        return await self._blob(path).delete_blob()

    async def delete_many(self, paths: Sequence[str]) -> object:
        return await self._container.delete_blobs(*paths)

    async def list_rows(self, prefix: str) -> int:
        pages = self._container.list_blobs(prefix, include=["metadata"]).by_page()
        return len([row async for row in await anext(pages)])

    async def stage(self, path: str, block_id: str, content: bytes) -> object:
        md5 = hashlib.md5(content, usedforsecurity=False).digest()
        headers = {"Content-MD5": base64.b64encode(md5).decode()}
        return await self._blob(path).stage_block(block_id, content, headers=headers)

    async def commit(self, path: str, block_id: str, metadata: Mapping[str, str]) -> object:
        blocks = [BlobBlock(block_id)]
        return await self._blob(path).commit_block_list(blocks, metadata=dict(metadata))

    async def copy(self, path: str, source: str, size: int, metadata: Mapping[str, str]) -> object:
        return await self._blob(path).start_copy_from_url(
            self._sources.signed_url(source), metadata=dict(metadata), requires_sync=True
        )

    async def close(self) -> None:
        await self._service.close()

    def _blob(self, path: str) -> Any:
        return self._container.get_blob_client(path)


class Bare:
    """aiohttp with a SAS: no signature, no retry, no parsing of answers."""

    def __init__(self, connection_string: str, container: str) -> None:
        self._storage = BareStorage("", connection_string, container)
        parts = urlsplit(self._storage.url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._session = ClientSession(auto_decompress=False)

    async def head(self, path: str) -> object:
        return await self._send("HEAD", self._storage.target(path), 200)

    async def get(self, path: str, size: int) -> object:
        return await self._send("GET", self._storage.target(path), 200)

    async def put(self, path: str, content: bytes, metadata: Mapping[str, str]) -> object:
        headers = {"x-ms-blob-type": "BlockBlob", **_headers(metadata)}
        return await self._send("PUT", self._storage.target(path), 201, headers, content)

    async def set_metadata(self, path: str, metadata: Mapping[str, str]) -> object:
        target = self._storage.target(path, comp="metadata")
        return await self._send("PUT", target, 200, _headers(metadata))

    async def delete(self, path: str) -> object:
        return await self._send("DELETE", self._storage.target(path), 202)

    async def delete_many(self, paths: Sequence[str]) -> object:
        """Do nothing: Azurite fails at batches with an account SAS."""

    async def list_rows(self, prefix: str) -> int:
        return (await self._send("GET", self._storage.listing(prefix), 200)).count(b"<Blob>")

    async def stage(self, path: str, block_id: str, content: bytes) -> object:
        md5 = hashlib.md5(content, usedforsecurity=False).digest()
        headers = {"Content-MD5": base64.b64encode(md5).decode()}
        target = self._storage.target(path, comp="block", blockid=_encoded(block_id))
        return await self._send("PUT", target, 201, headers, content)

    async def commit(self, path: str, block_id: str, metadata: Mapping[str, str]) -> object:
        body = f"<BlockList><Latest>{_encoded(block_id)}</Latest></BlockList>".encode()
        target = self._storage.target(path, comp="blocklist")
        return await self._send("PUT", target, 201, _headers(metadata), body)

    async def copy(self, path: str, source: str, size: int, metadata: Mapping[str, str]) -> object:
        url = self._storage.signed_url(source)
        headers = {"x-ms-copy-source": url, "x-ms-requires-sync": "true", **_headers(metadata)}
        return await self._send("PUT", self._storage.target(path), 202, headers)

    async def close(self) -> None:
        await self._session.close()

    async def _send(
        self,
        method: str,
        target: str,
        expected: int,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> bytes:
        url = URL(f"{self._origin}{target}", encoded=True)
        sent = {"x-ms-version": VERSION, **(headers or {})}
        async with self._session.request(method, url, headers=sent, data=body) as response:
            content = await response.read()
        if response.status != expected:
            raise OSError(f"{method} {target[:200]} answered {response.status}: {content[:300]!r}")
        return content


def _headers(metadata: Mapping[str, str]) -> dict[str, str]:
    return {f"x-ms-meta-{name}": value for name, value in metadata.items()}


def _encoded(block_id: str) -> str:
    """Return a block id as the SDK sends it: in Base64."""
    return base64.b64encode(block_id.encode()).decode()
