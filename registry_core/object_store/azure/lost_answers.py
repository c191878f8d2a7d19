"""Recognising the work of an earlier attempt of the same call, whose answer was lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import NotFound, TooLarge, WrongKind
from ..interface import Buffer, ObjectStore


async def find_own_put(
    store: ObjectStore, path: str, content: Buffer, metadata: Mapping[str, str]
) -> str | None:
    """Return the ETag of the object if it has exactly this content and metadata. One call.

    Another writer may have put it: the result would be the same.
    """
    try:
        found = await store.get(path, limit=memoryview(content).nbytes)
    except (NotFound, TooLarge):
        return None
    is_same = found.content == content and dict(found.properties.metadata) == metadata
    return found.properties.etag if is_same and not found.properties.is_append else None


async def find_own_metadata(
    store: ObjectStore, path: str, metadata: Mapping[str, str]
) -> str | None:
    """Return the ETag of the object if it has exactly this metadata. One call.

    Another writer may have set it, or written the object with it: the result would be the same.
    """
    try:
        found = await store.head(path)
    except NotFound:
        return None
    return found.etag if dict(found.metadata) == metadata else None


async def find_own_commit(store: ObjectStore, path: str, block_ids: Sequence[str]) -> str | None:
    """Return the ETag of the object if it consists of exactly these blocks. One call.

    None for no blocks: they do not identify a commit.
    """
    try:
        etag, found = await store.committed_blocks(path)
    except (NotFound, WrongKind):
        return None
    return etag if block_ids and list(found) == list(block_ids) else None
