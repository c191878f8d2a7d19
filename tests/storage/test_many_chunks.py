"""Any way of cutting a blob into chunks yields the blob; many tiny ones cost a known number."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Upload
from registry_core.spec.digest import Digest
from registry_core.spec.errors import SizeInvalid
from registry_core.spec.staging import MAX_BLOCKS
from registry_core.storage import ingest
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import chunk, random_bytes, read_blob
from tests.support.counting import CountingStore

pytestmark = pytest.mark.anyio

TEN = b"0123456789"
SMALL_BLOCK = 64
# Around the edges of a block of `SMALL_BLOCK` bytes, and nothing at all.
LENGTHS = st.sampled_from([0, 1, 2, 63, 64, 65, 127, 128, 129, 300])


async def pull(registry: StoredRegistry, digest: Digest) -> bytes:
    return await read_blob(registry, "a", digest)


async def push(
    registry: StoredRegistry, pieces: list[bytes], *, in_put: bool, algorithm: str, announced: str
) -> Digest:
    """Push ``pieces`` one by one, with status requests in between; the last may be in the PUT."""
    upload = await registry.start_upload("a", announced)
    last = pieces.pop() if in_put and pieces else b""
    content = b""
    for piece in pieces:
        upload = await registry.append_upload(upload, chunk(piece, start=len(content)))
        content += piece
        assert (upload.offset, await registry.get_upload(upload)) == (len(content), upload)
    digest = Digest.of(content + last, algorithm)
    await registry.finish_upload(upload, digest, chunk(last))
    assert await pull(registry, digest) == content + last
    return digest


@settings(max_examples=150)
@given(
    lengths=st.lists(LENGTHS, max_size=8),
    in_put=st.booleans(),
    algorithm=st.sampled_from(["sha256", "sha512"]),
    announced=st.sampled_from(["sha256", "sha512"]),
)
def test_any_cutting_of_a_blob_yields_the_blob(
    *, lengths: list[int], in_put: bool, algorithm: str, announced: str
) -> None:
    """In blocks of a few bytes, so that every chunk meets the edges of several."""
    memory = MemoryStore()
    registry = StoredRegistry(memory)
    pieces = [random_bytes(length, seed) for seed, length in enumerate(lengths)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest, "BLOCK", SMALL_BLOCK)
        asyncio.run(push(registry, pieces, in_put=in_put, algorithm=algorithm, announced=announced))
    assert not [path for path in memory.objects if "/_uploads/" in path]


async def test_three_hundred_chunks_of_ten_bytes(
    registry: StoredRegistry, store: CountingStore, memory: MemoryStore
) -> None:
    """Each is a block of its own: staged, and committed with those before. Nothing is read back."""
    upload = await registry.start_upload("a")
    for _ in range(300):
        upload = await registry.append_upload(upload, chunk(TEN, start=upload.offset))
    first = ["put"]
    second = ["stage", "stage_from", "commit"]
    together, then = ["committed_blocks", "stage"], "commit"
    calls = store.take()
    assert calls[0] == first[0]
    assert sorted(calls[1:4]) == sorted(second)
    for start in range(4, len(calls), 3):
        assert (sorted(calls[start : start + 2]), calls[start + 2]) == (together, then)
    assert len(calls) == 4 + 3 * 298
    [path] = [path for path in memory.objects if "/_uploads/" in path]
    assert len(memory.objects[path].blocks) == 300
    digest = Digest.of(TEN * 300)
    await registry.finish_upload(upload, digest, chunk())
    assert store.take() == ["copy", "put", "delete"]
    assert await pull(registry, digest) == TEN * 300


async def fill(registry: StoredRegistry, limit: int) -> Upload:
    """Return an upload that has as many blocks as storage accepts."""
    upload = await registry.start_upload("a")
    for _ in range(limit):
        upload = await registry.append_upload(upload, chunk(TEN))
    return upload


async def test_a_client_that_sends_too_many_chunks_should_send_larger_ones(
    registry: StoredRegistry, memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blob storage accepts 50,000 blocks; what arrived stays, and can be finished."""
    monkeypatch.setattr(ingest, "MAX_BLOCKS", 5)
    upload = await fill(registry, 5)
    before = dict(memory.objects)
    for _ in range(2):
        with pytest.raises(SizeInvalid, match="at most 5 pieces; send larger ones"):
            await registry.append_upload(upload, chunk(b"one more"))
        with pytest.raises(SizeInvalid, match="at most 5 pieces"):
            await registry.finish_upload(upload, Digest.of(b"any"), chunk(b"one more"))
    assert memory.objects == before
    assert await registry.get_upload(upload) == upload
    digest = Digest.of(TEN * 5)
    await registry.finish_upload(upload, digest, chunk())
    assert await pull(registry, digest) == TEN * 5


async def test_one_body_of_more_blocks_than_storage_takes_leaves_nothing(
    registry: StoredRegistry, memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "MAX_BLOCKS", 5)
    monkeypatch.setattr(ingest, "BLOCK", SMALL_BLOCK)
    content = random_bytes(6 * SMALL_BLOCK)
    upload = await registry.start_upload("a")
    for pushing in (
        registry.append_upload(upload, chunk(content)),
        registry.finish_upload(upload, Digest.of(content), chunk(content)),
    ):
        with pytest.raises(SizeInvalid, match="at most 5 pieces"):
            await pushing
    assert not memory.objects


async def test_of_many_chunks_only_so_many_may_be_tiny(
    registry: StoredRegistry, memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request reads and writes the list of all blocks. Larger chunks are taken again."""
    monkeypatch.setattr(ingest, "ANY_SIZE", 5)
    monkeypatch.setattr(ingest, "LEAST_BLOCK", 100)
    upload, content = await fill(registry, 5), TEN * 5
    before = dict(memory.objects)
    with pytest.raises(SizeInvalid, match="takes only chunks that have 100 bytes on average"):
        await registry.append_upload(upload, chunk(TEN))
    with pytest.raises(SizeInvalid, match="send larger"):
        await registry.finish_upload(upload, Digest.of(content + TEN), chunk(TEN))
    assert memory.objects == before
    large = random_bytes(1000)
    upload, content = await registry.append_upload(upload, chunk(large)), content + large
    for _ in range(6):  # the average is good for so many
        upload, content = await registry.append_upload(upload, chunk(TEN)), content + TEN
    with pytest.raises(SizeInvalid, match="send larger"):
        await registry.append_upload(upload, chunk(TEN))
    await registry.finish_upload(upload, Digest.of(content), chunk())
    assert await pull(registry, Digest.of(content)) == content


async def test_chunks_of_a_usual_size_may_be_many() -> None:
    """Those of regclient have 1 MiB."""
    assert ingest.LEAST_BLOCK < 10**6
    assert MAX_BLOCKS * ingest.LEAST_BLOCK > 20 * 2**30
