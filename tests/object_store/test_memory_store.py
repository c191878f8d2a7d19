"""The memory store passes the contract, and behaves like Azure where Azurite does not."""

import pytest

from registry_core.object_store.errors import BlockListInvalid, NotFound, WrongKind
from registry_core.object_store.interface import ObjectStore
from registry_core.object_store.memory import MemoryStore
from tests.contracts.object_store import (
    CONTENT,
    Append,
    AppendBlobContract,
    ForeignBlockContract,
    Listings,
    ObjectStoreContract,
    SnapshotContract,
    StageForeign,
    TakeSnapshot,
    make_block_id,
    stage,
)


@pytest.fixture
def memory() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def store(memory: MemoryStore) -> ObjectStore:
    return memory


@pytest.fixture
def append(memory: MemoryStore) -> Append:
    async def append(path: str, *pieces: bytes) -> None:
        for piece in pieces or (b"",):
            await memory.append(path, piece)

    return append


@pytest.fixture
def stage_foreign(memory: MemoryStore) -> StageForeign:
    async def stage_foreign(path: str, block_id: str, content: bytes) -> None:
        memory.staged.setdefault(path, {})[block_id] = content

    return stage_foreign


@pytest.fixture
def take_snapshot() -> TakeSnapshot:
    async def take_snapshot(_path: str) -> None:
        """Do nothing: a snapshot changes nothing that an object store returns."""

    return take_snapshot


class TestMemoryStore(
    ObjectStoreContract, AppendBlobContract, SnapshotContract, ForeignBlockContract
):
    pass


class TestSparsePages(Listings):
    """Listings whose pages are short, and the first one empty, as Azure's may be."""

    @pytest.fixture
    def store(self) -> ObjectStore:
        return MemoryStore(sparse_pages=True)


class TestWhereAzuriteDiffers:
    """What Azure documents and Azurite does not implement."""

    pytestmark = pytest.mark.anyio

    async def test_a_put_drops_staged_blocks(self, store: ObjectStore) -> None:
        await stage(store, "a", "1", b"one")
        await store.put("a", CONTENT)
        with pytest.raises(BlockListInvalid):
            await store.commit("a", [make_block_id("1")])

    async def test_a_copy_drops_staged_blocks(self, store: ObjectStore) -> None:
        await store.put("source", CONTENT)
        await stage(store, "a", "1", b"one")
        await store.copy("a", "source", size=10, metadata={"a": "b"})
        with pytest.raises(BlockListInvalid):
            await store.commit("a", [make_block_id("1")])

    async def test_staged_blocks_cannot_be_deleted(self, store: ObjectStore) -> None:
        await stage(store, "a", "1", b"one")
        with pytest.raises(NotFound):
            await store.delete("a")
        await store.commit("a", [make_block_id("1")])

    async def test_an_append_blob_cannot_be_the_source_of_a_copy(
        self, store: ObjectStore, append: Append
    ) -> None:
        await append("source", CONTENT)
        with pytest.raises(WrongKind):
            await store.copy("a", "source", size=10, metadata={"a": "b"})
