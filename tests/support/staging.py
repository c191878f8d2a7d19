"""A memory store with URLs for staging, and a client that puts blocks to them."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from urllib.parse import parse_qs, urlsplit

from registry_core.object_store.interface import ObjectStore
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.spec.staging import Staging
from registry_core.storage.stored_registry import StoredRegistry


class StagingMemory(MemoryStore):
    """A memory store to which clients can write, if they use `put_block`."""

    async def staging_url(self, path: str, *, seconds: int) -> str:
        return f"memory:/{path}?comp=block&sig=secret"


async def put_block(store: ObjectStore, url: str, content: bytes) -> None:
    """Put a block to a URL of `StagingMemory`."""
    parts = urlsplit(url)
    block_id = b64decode(parse_qs(parts.query)["blockid"][0]).decode()
    md5 = hashlib.md5(content).digest()
    await store.stage(parts.path.removeprefix("/"), block_id, content, md5=md5)


async def put_direct(registry: StoredRegistry, store: ObjectStore, content: bytes) -> Digest:
    """Upload content directly to ``repository``, and return its digest. It is not claimed yet."""
    upload = await registry.start_direct_upload("repository")
    assert upload is not None
    await put_block(store, upload.url, content)
    return Digest.of(content)


async def put_blocks(store: ObjectStore, staging: Staging, blocks: list[bytes]) -> None:
    """Put all blocks of a staging."""
    for index, block in enumerate(blocks):
        await put_block(store, staging.block_url(index), block)
