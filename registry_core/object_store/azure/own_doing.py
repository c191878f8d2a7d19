"""Whether what is found was done by an earlier try of the same call, whose answer was lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..interface import Buffer, NotFound, ObjectStore, WrongKind


async def find_own_put(
    store: ObjectStore, path: str, content: Buffer, metadata: Mapping[str, str] | None
) -> str | None:
    """The ETag of exactly this content with these metadata, if that is what is there. One call.

    Another writer's would be the same in every byte, so nobody can tell a difference.
    """
    size = memoryview(content).nbytes
    try:
        found = await store.get(path, length=size + 1)
    except NotFound:
        return None
    same = found.content == content and dict(found.properties.metadata) == dict(metadata or {})
    return found.properties.etag if same and not found.properties.is_append else None


async def find_own_commit(store: ObjectStore, path: str, block_ids: Sequence[str]) -> str | None:
    """The ETag of the object made of exactly these blocks, if that is what is there. One call.

    Of no blocks nobody can tell whose they are.
    """
    try:
        etag, found = await store.committed_blocks(path)
    except (NotFound, WrongKind):
        return None
    return etag if block_ids and list(found) == list(block_ids) else None


async def is_gone(store: ObjectStore, path: str) -> bool:
    """One call."""
    try:
        await store.head(path)
    except NotFound:
        return True
    return False
