"""Uploads on the memory store: their states, the calls that they make, and what they leave."""

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from registry_core.object_store.errors import StoreUnavailable
from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Chunk
from registry_core.spec import hash_state
from registry_core.spec.digest import Digest
from registry_core.spec.errors import (
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    Unavailable,
)
from registry_core.spec.staging import MAX_BLOCKS
from registry_core.storage import content as content_module
from registry_core.storage.ingest import BLOCK, block_size
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import chunk, push_blob, random_bytes, read_blob
from tests.support.counting import CountingStore

pytestmark = pytest.mark.anyio

SMALL = b"a small layer"
LAYOUT = Layout()
LARGE = random_bytes(2 * BLOCK + 12345)


async def pull(registry: StoredRegistry, repository: str, digest: Digest) -> bytes:
    return await read_blob(registry, repository, digest)


def leftovers(memory: MemoryStore) -> list[str]:
    """Return the data of uploads that are still in storage."""
    return [path for path in memory.objects if "/_uploads/" in path]


async def test_a_small_blob_by_patch_takes_one_call_and_another_to_link_it(
    registry: StoredRegistry, store: CountingStore
) -> None:
    upload = await registry.start_upload("a/b")
    upload = await registry.append_upload(upload, chunk(SMALL))
    assert (upload.offset, store.take()) == (len(SMALL), ["put"])
    await registry.finish_upload(upload, Digest.of(SMALL), chunk())
    assert store.take() == ["put"]
    assert await pull(registry, "a/b", Digest.of(SMALL)) == SMALL


async def test_a_large_blob_by_patch_is_staged_committed_and_copied(
    registry: StoredRegistry, store: CountingStore, memory: MemoryStore
) -> None:
    upload = await registry.append_upload(await registry.start_upload("a/b"), chunk(LARGE))
    assert store.take() == ["stage", "stage", "stage", "commit"]
    await registry.finish_upload(upload, Digest.of(LARGE), chunk())
    assert store.take() == ["copy", "put", "delete"]
    assert await pull(registry, "a/b", Digest.of(LARGE)) == LARGE
    assert not leftovers(memory)


async def test_a_large_blob_by_put_is_staged_at_its_address(
    registry: StoredRegistry, store: CountingStore
) -> None:
    await push_blob(registry, "a/b", LARGE)
    assert store.take() == ["head", "stage", "stage", "stage", "commit", "put"]
    assert await pull(registry, "a/b", Digest.of(LARGE)) == LARGE


@pytest.mark.parametrize("announced", [None, len(LARGE)], ids=["chunked", "with a length"])
async def test_of_a_large_blob_that_is_there_already_nothing_is_staged(
    registry: StoredRegistry, store: CountingStore, memory: MemoryStore, announced: int | None
) -> None:
    """Blocks staged on content that is there would be billed for a week."""
    await push_blob(registry, "a", LARGE)
    store.take()
    upload = await registry.start_upload("b")
    await registry.finish_upload(upload, Digest.of(LARGE), chunk(LARGE, length=announced))
    assert store.take() == ["head", "head", "put"]
    assert not memory.staged
    assert await pull(registry, "b", Digest.of(LARGE)) == LARGE


async def test_of_a_copy_in_pieces_nothing_is_staged_where_the_content_is_there(
    registry: StoredRegistry, store: CountingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content_module, "_COPIED_AT_ONCE", len(LARGE) - 1)
    for repository, calls in (("a", ["head", "copy"]), ("b", ["head"])):
        upload = await registry.start_upload(repository)
        upload = await registry.append_upload(upload, chunk(LARGE))
        store.take()
        await registry.finish_upload(upload, Digest.of(LARGE), chunk())
        assert store.take() == [*calls, "put", "delete"]
        assert await pull(registry, repository, Digest.of(LARGE)) == LARGE


async def test_a_body_is_checked_though_a_blob_of_its_digest_is_there(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    await push_blob(registry, "a", LARGE)
    before = dict(memory.objects)
    for wrong in (LARGE[:-1] + b"x", LARGE[:-1]):
        upload = await registry.start_upload("b")
        with pytest.raises(DigestInvalid, match=str(Digest.of(wrong))):
            await registry.finish_upload(upload, Digest.of(LARGE), chunk(wrong))
    assert memory.objects == before


async def test_a_large_blob_that_is_deleted_while_it_is_pushed_again_is_not_acknowledged(
    registry: StoredRegistry, store: CountingStore, memory: MemoryStore
) -> None:
    await push_blob(registry, "a", LARGE)
    store.take()

    async def body() -> AsyncIterator[bytes]:
        yield LARGE
        while not store.calls:  # noqa: ASYNC110 - the store has no event for it
            await asyncio.sleep(0)
        await memory.delete(LAYOUT.content(Digest.of(LARGE)))

    upload = await registry.start_upload("b")
    with pytest.raises(Unavailable, match="push the blob again"):
        await registry.finish_upload(upload, Digest.of(LARGE), Chunk(body()))
    assert LAYOUT.blob_link("b", Digest.of(LARGE)) not in memory.objects
    await push_blob(registry, "b", LARGE)
    assert await pull(registry, "b", Digest.of(LARGE)) == LARGE


async def test_an_upload_continues_without_an_exported_hash(
    registry: StoredRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without libcrypto, what was committed is read back before it is published."""
    monkeypatch.setattr(hash_state, "available", lambda: False)
    for first in (SMALL, LARGE):
        upload = await registry.start_upload("a")
        upload = await registry.append_upload(upload, chunk(first))
        upload = await registry.append_upload(upload, chunk(b"the end"))
        with pytest.raises(DigestInvalid):
            await registry.finish_upload(upload, Digest.of(b"something else"), chunk())
        upload = await registry.start_upload("a")
        upload = await registry.append_upload(upload, chunk(first))
        upload = await registry.append_upload(upload, chunk(b"the end"))
        digest = Digest.of(first + b"the end")
        await registry.finish_upload(upload, digest, chunk())
        assert await pull(registry, "a", digest) == first + b"the end"


async def test_the_state_stays_small_however_many_requests_an_upload_takes(
    registry: StoredRegistry,
) -> None:
    upload = await registry.start_upload("a")
    lengths = set()
    for _ in range(12):
        upload = await registry.append_upload(upload, chunk(b"x" * 100))
        lengths.add(len(upload.state))
    assert max(lengths) < 400


async def test_finishing_again_after_the_blob_was_deleted_does_not_succeed(
    memory: MemoryStore,
) -> None:
    """Another instance deleted it, and this one has it in its cache."""
    here, there = StoredRegistry(memory), StoredRegistry(memory)
    upload = await here.append_upload(await here.start_upload("a"), chunk(LARGE))
    await here.finish_upload(upload, Digest.of(LARGE), chunk())
    await there.delete_blob("a", Digest.of(LARGE))
    with pytest.raises(BlobUploadUnknown):
        await here.finish_upload(upload, Digest.of(LARGE), chunk())


async def test_a_commit_that_is_retried_after_a_lost_answer_succeeds(
    registry: StoredRegistry, memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = memory.commit

    async def commit_twice(*args: object, **options: object) -> str:
        await commit(*args, **options)  # type: ignore[arg-type]
        return await commit(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(memory, "commit", commit_twice)
    upload = await registry.append_upload(await registry.start_upload("a"), chunk(LARGE))
    upload = await registry.append_upload(upload, chunk(b"more"))
    digest = Digest.of(LARGE + b"more")
    await registry.finish_upload(upload, digest, chunk())
    assert await pull(registry, "a", digest) == LARGE + b"more"


@pytest.mark.parametrize("content", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
async def test_an_upload_with_a_wrong_digest_is_discarded(
    registry: StoredRegistry, memory: MemoryStore, content: bytes
) -> None:
    with pytest.raises(DigestInvalid):
        await registry.finish_upload(
            await registry.start_upload("a"), Digest.of(b"other"), chunk(content)
        )
    assert not memory.objects
    upload = await registry.append_upload(await registry.start_upload("a"), chunk(LARGE))
    with pytest.raises(DigestInvalid):
        await registry.finish_upload(upload, Digest.of(b"other"), chunk(content))
    assert not memory.objects
    with pytest.raises(BlobUploadUnknown):
        await registry.get_upload(upload)


async def test_content_that_is_an_append_blob_already_is_not_replaced(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    """Distribution's uploads are append blobs."""
    for content in (SMALL, LARGE):
        path = LAYOUT.content(Digest.of(content))
        await memory.append(path, content)
        before = memory.objects[path]
        await push_blob(registry, "a", content)
        upload = await registry.append_upload(await registry.start_upload("b"), chunk(content))
        await registry.finish_upload(upload, Digest.of(content), chunk())
        assert memory.objects[path] == before
        assert await pull(registry, "b", Digest.of(content)) == content


async def test_another_registrys_upload_cannot_be_continued(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    upload = await registry.start_upload("a")
    await memory.append(LAYOUT.upload("a", upload.id), b"begun elsewhere")
    with pytest.raises(BlobUploadInvalid):
        await registry.get_upload(upload)


def test_blocks_grow_so_that_50000_suffice() -> None:
    """A layer of 1 TiB takes fewer than 50,000 blocks."""
    offset = 0
    for _ in range(MAX_BLOCKS):
        offset += block_size(offset)
    assert offset > 2**40


def test_blocks_do_not_grow_because_there_are_many() -> None:
    """Else an upload of tiny chunks would take large ones into memory."""
    assert block_size(MAX_BLOCKS) == BLOCK


async def test_when_many_blocks_fail_at_once_every_failure_is_retrieved(
    registry: StoredRegistry, memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asyncio would log each of the others as never retrieved."""
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    all_blocks_in_flight = asyncio.Barrier(4)

    async def fail(*_: object, **__: object) -> None:
        await all_blocks_in_flight.wait()
        raise StoreUnavailable("storage is away")

    monkeypatch.setattr(memory, "stage", fail)
    with pytest.raises(StoreUnavailable):
        await registry.append_upload(
            await registry.start_upload("a"), chunk(random_bytes(6 * BLOCK))
        )
    gc.collect()
    assert not reported
    assert not memory.objects
