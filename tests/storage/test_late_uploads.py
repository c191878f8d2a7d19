"""Uploads that are finished long after their bytes arrived, or that may make one blob only."""

from dataclasses import replace

import pytest

from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Upload
from registry_core.spec.digest import Digest
from registry_core.spec.errors import BlobUploadUnknown
from registry_core.storage.condemnation import RELIED_ON
from registry_core.storage.layout import Layout
from registry_core.storage.layout_parse import Kind, parse_path
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.clock import Clock
from tests.support.content import chunk, random_bytes, read_blob
from tests.support.counting import CountingStore

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
SMALL = b"a small layer"
LARGE = random_bytes(9 * 2**20)
DIGEST = Digest.of(SMALL)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(store: CountingStore, clock: Clock) -> StoredRegistry:
    return StoredRegistry(store, now=clock)


@pytest.fixture
async def begun(registry: StoredRegistry, store: CountingStore) -> Upload:
    """An upload whose bytes are at their content address: nothing else keeps them there."""
    upload = await registry.append_upload(await registry.start_upload("a"), chunk(SMALL))
    store.take()
    return upload


async def test_content_that_was_put_a_short_while_ago_is_relied_on(
    registry: StoredRegistry, store: CountingStore, clock: Clock, begun: Upload
) -> None:
    clock.pass_by(RELIED_ON - 1)
    await registry.finish_upload(begun, DIGEST, chunk())
    assert store.take() == ["put"]


async def test_content_that_was_put_long_ago_is_looked_for(
    registry: StoredRegistry, store: CountingStore, clock: Clock, begun: Upload
) -> None:
    clock.pass_by(RELIED_ON + 1)
    await registry.finish_upload(begun, DIGEST, chunk())
    assert store.take() == ["head", "put"]
    assert await read_blob(registry, "a", DIGEST) == SMALL


async def test_an_upload_whose_content_was_collected_is_unknown(
    registry: StoredRegistry, memory: MemoryStore, clock: Clock, begun: Upload
) -> None:
    """As by the garbage collection of CNCF distribution, on the same container."""
    clock.pass_by(RELIED_ON + 1)
    await memory.delete(LAYOUT.content(DIGEST))
    with pytest.raises(BlobUploadUnknown):
        await registry.finish_upload(begun, DIGEST, chunk())
    assert LAYOUT.blob_link("a", DIGEST) not in memory.objects


async def test_an_upload_whose_content_was_collected_does_not_continue(
    registry: StoredRegistry, memory: MemoryStore, begun: Upload
) -> None:
    """Else the client would be sent to the same offset again and again."""
    await memory.delete(LAYOUT.content(DIGEST))
    with pytest.raises(BlobUploadUnknown):
        await registry.append_upload(begun, chunk(b"more"))


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
async def test_an_upload_that_may_be_finished_once_is_finished_again_as_the_same_blob(
    registry: StoredRegistry, content: bytes
) -> None:
    """By a client that has lost the answer."""
    upload = await registry.append_upload(await registry.start_upload("a"), chunk(content))
    once = await registry.get_upload(replace(upload, once=True))
    for _ in range(2):
        await registry.finish_upload(once, Digest.of(content), chunk())
    assert await read_blob(registry, "a", Digest.of(content)) == content


async def test_an_upload_that_may_be_finished_once_makes_no_other_blob(
    registry: StoredRegistry, memory: MemoryStore, begun: Upload
) -> None:
    once = replace(begun, once=True)
    await registry.finish_upload(once, Digest.of(SMALL + b"1"), chunk(b"1"))
    for more in (b"2", b""):
        digest = Digest.of(SMALL + more)
        with pytest.raises(BlobUploadUnknown):
            await registry.finish_upload(once, digest, chunk(more))
        assert LAYOUT.blob_link("a", digest) not in memory.objects


async def test_a_mark_costs_one_call_and_goes_with_old_uploads(
    registry: StoredRegistry, memory: MemoryStore, store: CountingStore, begun: Upload
) -> None:
    once = replace(begun, once=True)
    await registry.finish_upload(once, DIGEST, chunk())
    assert store.take() == ["put", "put"]
    [mark] = [path for path in memory.objects if path.startswith(LAYOUT.uploads)]
    place = parse_path(mark)
    assert (place.kind, place.repository, place.upload) == (Kind.UPLOAD, "a", begun.id)
