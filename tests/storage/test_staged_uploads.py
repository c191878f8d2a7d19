"""Uploads whose blocks a client stages in storage by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Upload
from registry_core.spec.digest import SHA512, Digest
from registry_core.spec.errors import (
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    SizeInvalid,
    TooManyRequests,
)
from registry_core.storage import ranged_reads, staged_commit, staged_content
from registry_core.storage.layout import Layout
from registry_core.storage.staged_uploads import URL_SECONDS
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import chunk
from tests.support.counting import CountingStore
from tests.support.staging import StagingMemory, put_blocks

pytestmark = pytest.mark.anyio

BLOCKS = [b"first block", b"second block", b"third"]
CONTENT = b"".join(BLOCKS)
DIGEST = Digest.of(CONTENT)


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staged_commit, "REREAD_DELAYS", (0.0, 0.0))


@pytest.fixture
def memory() -> StagingMemory:
    return StagingMemory()


async def staged(registry: StoredRegistry, memory: MemoryStore, blocks: list[bytes]) -> Upload:
    upload = await registry.start_upload("repository")
    staging = await registry.open_staging(upload)
    assert staging is not None
    await put_blocks(memory, staging, blocks)
    return upload


async def test_blocks_staged_by_a_client_become_a_blob(
    registry: StoredRegistry, memory: StagingMemory
) -> None:
    upload = await staged(registry, memory, BLOCKS)
    blob = await registry.finish_staged_upload(upload, DIGEST, len(BLOCKS))
    assert (blob.digest, blob.size) == (DIGEST, len(CONTENT))
    assert memory.objects[Layout().content(DIGEST)].content == CONTENT
    assert (await registry.resolve_blob("repository", DIGEST)).size == len(CONTENT)


async def test_nothing_of_a_finished_upload_is_left(
    registry: StoredRegistry, memory: StagingMemory
) -> None:
    upload = await staged(registry, memory, BLOCKS)
    await registry.finish_staged_upload(upload, DIGEST, len(BLOCKS))
    assert not [path for path in (*memory.objects, *memory.staged) if "_uploads/" in path]


async def test_nothing_of_a_cancelled_upload_is_left(
    registry: StoredRegistry, memory: StagingMemory
) -> None:
    """Storage would keep its blocks for a week."""
    upload = await staged(registry, memory, BLOCKS)
    await registry.cancel_upload(upload)
    assert not [path for path in (*memory.objects, *memory.staged) if "_uploads/" in path]
    with pytest.raises(BlobUploadUnknown):
        await registry.finish_staged_upload(upload, DIGEST, len(BLOCKS))


async def test_an_upload_that_is_finished_again_succeeds_again(
    registry: StoredRegistry, memory: StagingMemory
) -> None:
    upload = await staged(registry, memory, BLOCKS)
    first = await registry.finish_staged_upload(upload, DIGEST, len(BLOCKS))
    assert await registry.finish_staged_upload(upload, DIGEST, len(BLOCKS)) == first


async def test_a_block_that_is_staged_twice_replaces_itself(
    registry: StoredRegistry, memory: StagingMemory
) -> None:
    upload = await staged(registry, memory, [b"torn", *BLOCKS[1:]])
    staging = await registry.open_staging(upload)
    assert staging is not None
    await put_blocks(memory, staging, BLOCKS[:1])
    assert (await registry.finish_staged_upload(upload, DIGEST, len(BLOCKS))).digest == DIGEST


async def test_wrong_content_is_refused_and_discarded(
    registry: StoredRegistry, memory: StagingMemory
) -> None:
    upload = await staged(registry, memory, [b"something else"])
    with pytest.raises(DigestInvalid, match=r"the content's digest is sha256:\w+, not sha256:"):
        await registry.finish_staged_upload(upload, DIGEST, 1)
    assert not memory.objects
    with pytest.raises(BlobUnknown):
        await registry.resolve_blob("repository", DIGEST)


@pytest.mark.parametrize("count", [1, 2])
async def test_blocks_that_are_not_counted_are_not_part_of_the_blob(
    registry: StoredRegistry, memory: StagingMemory, count: int
) -> None:
    upload = await staged(registry, memory, BLOCKS)
    content = b"".join(BLOCKS[:count])
    blob = await registry.finish_staged_upload(upload, Digest.of(content), count)
    assert blob.size == len(content)


async def test_missing_blocks_are_named_as_the_reason(
    registry: StoredRegistry, memory: StagingMemory
) -> None:
    upload = await staged(registry, memory, BLOCKS)
    with pytest.raises(BlobUploadUnknown, match="lacks blocks"):
        await registry.finish_staged_upload(upload, DIGEST, len(BLOCKS) + 1)


async def test_blocks_can_be_staged_again_after_an_upload_lacked_some(
    registry: StoredRegistry, memory: StagingMemory
) -> None:
    upload = await staged(registry, memory, BLOCKS[:2])
    with pytest.raises(BlobUploadUnknown):
        await registry.finish_staged_upload(upload, DIGEST, 3)
    staging = await registry.open_staging(upload)
    assert staging is not None
    await put_blocks(memory, staging, BLOCKS)
    assert (await registry.finish_staged_upload(upload, DIGEST, 3)).digest == DIGEST


@pytest.mark.parametrize("count", [0, -1, 50_001])
async def test_a_number_of_blocks_that_storage_does_not_accept_is_refused(
    registry: StoredRegistry, count: int
) -> None:
    upload = await registry.start_upload("repository")
    with pytest.raises(SizeInvalid, match="1 to 50000 blocks"):
        await registry.finish_staged_upload(upload, DIGEST, count)


async def test_other_algorithms_are_hashed_as_well(
    registry: StoredRegistry, memory: StagingMemory
) -> None:
    digest = Digest.of(CONTENT, SHA512)
    upload = await staged(registry, memory, BLOCKS)
    assert (await registry.finish_staged_upload(upload, digest, 3)).digest == digest


async def test_a_config_that_was_staged_says_its_platform(
    registry: StoredRegistry, memory: StagingMemory
) -> None:
    config = b'{"os": "linux", "architecture": "arm64"}'
    upload = await staged(registry, memory, [config])
    await registry.finish_staged_upload(upload, Digest.of(config), 1)
    link = memory.objects[Layout().blob_link("repository", Digest.of(config))]
    assert link.properties.metadata["architecture"] == "arm64"


async def test_an_upload_with_content_cannot_be_staged(registry: StoredRegistry) -> None:
    upload = await registry.start_upload("repository")
    upload = await registry.append_upload(upload, chunk(b"content"))
    with pytest.raises(BlobUploadInvalid, match="has content already"):
        await registry.open_staging(upload)


async def test_there_is_no_staging_where_clients_cannot_reach_storage(
    memory: StagingMemory,
) -> None:
    for registry in (
        StoredRegistry(MemoryStore()),
        StoredRegistry(memory, direct_upload=False),
    ):
        upload = await registry.start_upload("repository")
        assert await registry.open_staging(upload) is None


async def test_a_staging_says_for_how_long_it_can_be_used(memory: StagingMemory) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    registry = StoredRegistry(memory, now=now.timestamp)
    staging = await registry.open_staging(await registry.start_upload("repository"))
    assert staging is not None
    assert staging.expires == now + timedelta(seconds=URL_SECONDS)


async def test_the_url_of_a_staging_is_not_shown(registry: StoredRegistry) -> None:
    staging = await registry.open_staging(await registry.start_upload("repository"))
    assert "secret" not in repr(staging)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch, store: CountingStore) -> StoredRegistry:
    """A registry whose requests have time to hash four bytes."""
    monkeypatch.setattr(ranged_reads, "RANGE", 4)
    return StoredRegistry(store, hash_seconds=0)


async def finish(registry: StoredRegistry, upload: Upload, count: int) -> int:
    """Finish an upload, however often that takes, and return how often it was not enough."""
    refused: list[TooManyRequests] = []
    while len(refused) < 100:
        try:
            await registry.finish_staged_upload(upload, DIGEST, count)
            break
        except TooManyRequests as error:
            refused.append(error)
    assert {error.headers["Retry-After"] for error in refused} <= {"1"}
    return len(refused)


async def test_hashing_goes_on_where_the_time_of_a_request_ran_out(
    slow: StoredRegistry, memory: StagingMemory, store: CountingStore
) -> None:
    upload = await staged(slow, memory, BLOCKS)
    store.calls.clear()
    assert await finish(slow, upload, 3) == (len(CONTENT) - 1) // 4
    reads = [call for call in store.calls if call[0] == "get_range"]
    assert len(reads) == -(-len(CONTENT) // 4), "nothing is read twice"


async def test_progress_counts_for_other_instances(
    slow: StoredRegistry, memory: StagingMemory
) -> None:
    upload = await staged(slow, memory, BLOCKS)
    with pytest.raises(TooManyRequests):
        await slow.finish_staged_upload(upload, DIGEST, 3)
    other = StoredRegistry(memory, hash_seconds=0)
    assert await finish(other, upload, 3) == (len(CONTENT) - 1) // 4 - 1


async def test_progress_is_void_once_the_content_has_changed(
    slow: StoredRegistry, memory: StagingMemory
) -> None:
    """Whoever can stage blocks can also write the object: what was hashed is not what is there."""
    upload = await staged(slow, memory, BLOCKS)
    with pytest.raises(TooManyRequests):
        await slow.finish_staged_upload(upload, DIGEST, 3)
    staging = await slow.open_staging(upload)
    assert staging is not None
    await put_blocks(memory, staging, [b"FIRST block"])
    path = Layout().staged_upload("repository", upload.id)
    ids = [*memory.staged[path], *list(memory.objects[path].blocks)[1:]]
    await memory.commit(path, ids)
    with pytest.raises(DigestInvalid):
        await finish(slow, upload, 3)
    assert Layout().content(DIGEST) not in memory.objects


async def test_what_a_client_writes_beside_the_content_is_never_believed(
    slow: StoredRegistry, memory: StagingMemory
) -> None:
    """Only the registry writes records: they are at another path than the one that was signed."""
    upload = await slow.start_upload("repository")
    staging = await slow.open_staging(upload)
    assert staging is not None
    signed = staging.url.partition("?")[0].removeprefix("memory:/")
    assert signed not in (
        Layout().upload("repository", upload.id),
        Layout().hash_record("repository", upload.id),
        Layout().finished_upload("repository", upload.id),
    )
    await put_blocks(memory, staging, [b"wrong"])
    forged = {"offset": str(len(CONTENT)), "state": '{"a":"sha256"}'}
    await memory.put(signed, b"wrong", metadata=forged)
    assert (await slow.get_upload(upload)).offset == 0


async def test_progress_is_recorded_now_and_then(
    registry: StoredRegistry,
    memory: StagingMemory,
    store: CountingStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request may be cut off before its time runs out."""
    monkeypatch.setattr(ranged_reads, "RANGE", 4)
    monkeypatch.setattr(staged_content, "_RECORDED_AFTER", 8)
    upload = await staged(registry, memory, BLOCKS)
    store.calls.clear()
    await registry.finish_staged_upload(upload, DIGEST, 3)
    puts = [path for name, path in store.calls if name == "put" and path.endswith("/hashed")]
    assert len(puts) == (len(CONTENT) - 1) // 8


async def test_a_machine_that_cannot_export_hashes_goes_on_to_the_end(
    slow: StoredRegistry, memory: StagingMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry_core.spec.hash_state.available", lambda: False)
    upload = await staged(slow, memory, BLOCKS)
    assert await finish(slow, upload, 3) == 0


async def test_what_has_taken_the_time_of_a_request_is_copied_by_the_next_one(
    slow: StoredRegistry,
    memory: StagingMemory,
    store: CountingStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Clients wait for 30 s only, and large content takes some of them to be copied."""
    monkeypatch.setattr(staged_content, "_SLOW_TO_COPY", len(CONTENT) - 1)
    upload = await staged(slow, memory, BLOCKS)
    assert await finish(slow, upload, 3) == len(CONTENT) // 4
    names = [name for name, _ in store.calls]
    last = len(names) - names[::-1].index("commit")
    assert "copy" in names[last:]
    assert "get_range" not in names[last:]


async def test_what_finishing_costs(
    registry: StoredRegistry, memory: StagingMemory, store: CountingStore
) -> None:
    upload = await staged(registry, memory, BLOCKS)
    store.calls.clear()
    await registry.finish_staged_upload(upload, DIGEST, 3)
    assert [name for name, _ in store.calls] == [
        "commit",
        "head",
        "get_range",
        "copy",
        "put",
        "delete",
    ]
