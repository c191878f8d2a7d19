"""Writers take the mark off whatever they rely on; readers leave it."""

from collections.abc import Awaitable, Callable

import pytest

from registry_core.object_store.errors import StoreRefused
from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Upload
from registry_core.spec.digest import Digest
from registry_core.spec.errors import BlobUnknown, ManifestBlobUnknown, Unavailable
from registry_core.spec.manifest import parse_manifest
from registry_core.storage.condemnation import CONDEMNED, REASON, RELIED_ON, condemn, is_condemned
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.clock import Clock
from tests.support.content import (
    CONFIG,
    chunk,
    image_index,
    image_manifest,
    push_blob,
    push_image,
    push_manifest,
    random_bytes,
    read_blob,
)
from tests.support.counting import CountingStore

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
SMALL, LARGE = b"a small layer", random_bytes(9 * 2**20)
IMAGE = image_manifest(SMALL)
INDEX = image_index(IMAGE)
OF_IMAGE = Digest.of(IMAGE)
LAYER = LAYOUT.content(Digest.of(SMALL))
LAYER_LINK = LAYOUT.blob_link("a", Digest.of(SMALL))
MANIFEST = LAYOUT.content(OF_IMAGE)
REVISION = LAYOUT.revision_link("a", OF_IMAGE)

Act = Callable[[StoredRegistry, Upload], Awaitable[object]]


async def sentence(store: MemoryStore, *paths: str) -> None:
    for path in paths:
        assert await condemn(store, path, await store.head(path), "a-run", "a reason")


async def are_condemned(store: MemoryStore, *paths: str) -> list[bool]:
    return [is_condemned(await store.head(path)) for path in paths]


@pytest.fixture
async def filled(memory: MemoryStore) -> MemoryStore:
    """An image in repository a, all of it condemned, and a large blob."""
    registry = StoredRegistry(memory)
    await push_image(registry, "a", "v1", [SMALL])
    await push_blob(registry, "a", LARGE)
    config = LAYOUT.content(Digest.of(CONFIG))
    links = [LAYOUT.blob_link("a", Digest.of(each)) for each in (SMALL, CONFIG, LARGE)]
    large = LAYOUT.content(Digest.of(LARGE))
    await sentence(memory, LAYER, MANIFEST, REVISION, config, large, *links)
    return memory


async def upload_whole(registry: StoredRegistry, _: Upload) -> object:
    return await push_blob(registry, "b", SMALL)


async def upload_in_two_requests(registry: StoredRegistry, _: Upload) -> object:
    upload = await registry.append_upload(await registry.start_upload("b"), chunk(SMALL))
    return await registry.finish_upload(upload, Digest.of(SMALL), chunk())


WRITERS: dict[str, tuple[Act, tuple[str, ...]]] = {
    "PUT": (upload_whole, (LAYER,)),
    "PATCH, PUT": (upload_in_two_requests, (LAYER,)),
    "mount from a source": (
        lambda registry, _: registry.mount_blob("b", Digest.of(SMALL), "a"),
        (LAYER, LAYER_LINK),
    ),
    "mount from anywhere": (
        lambda registry, _: registry.mount_blob("b", Digest.of(SMALL), None),
        (LAYER,),
    ),
    "HEAD blob": (
        lambda registry, _: registry.resolve_blob("a", Digest.of(SMALL)),
        (LAYER, LAYER_LINK),
    ),
    "HEAD manifest by digest": (
        lambda registry, _: registry.resolve_manifest("a", OF_IMAGE),
        (REVISION,),
    ),
    "push again": (
        lambda registry, _: push_manifest(registry, "a", "v2", IMAGE),
        (LAYER, LAYER_LINK, MANIFEST, REVISION),
    ),
    "push of an index": (
        lambda registry, _: push_manifest(registry, "a", "multi", INDEX),
        (MANIFEST, REVISION),
    ),
}


@pytest.mark.parametrize("name", WRITERS)
async def test_a_writer_takes_the_mark_off_what_it_relies_on(
    filled: MemoryStore, name: str
) -> None:
    act, relied_on = WRITERS[name]
    registry = StoredRegistry(filled)
    upload = await registry.start_upload("b")
    before = {path: (await filled.head(path)).etag for path in relied_on}
    await act(registry, upload)
    found = [(path, await filled.head(path)) for path in relied_on]
    assert not any({CONDEMNED, REASON} & properties.metadata.keys() for _, properties in found)
    assert all(properties.etag != before[path] for path, properties in found)


async def test_a_large_upload_that_finds_its_content_takes_the_mark_off(
    filled: MemoryStore,
) -> None:
    registry = StoredRegistry(filled)
    await push_blob(registry, "b", LARGE)
    upload = await registry.append_upload(await registry.start_upload("c"), chunk(LARGE))
    path = LAYOUT.content(Digest.of(LARGE))
    assert await are_condemned(filled, path) == [False]
    await sentence(filled, path)
    await registry.finish_upload(upload, Digest.of(LARGE), chunk())
    assert await are_condemned(filled, path) == [False]


async def test_pulls_leave_the_mark(filled: MemoryStore) -> None:
    registry = StoredRegistry(filled)
    await registry.get_manifest("a", "v1")
    await registry.get_manifest("a", OF_IMAGE)
    assert await read_blob(registry, "a", Digest.of(SMALL)) == SMALL
    assert all(await are_condemned(filled, LAYER, LAYER_LINK, MANIFEST, REVISION))


async def test_an_instance_that_may_not_write_leaves_the_mark(filled: MemoryStore) -> None:
    registry = StoredRegistry(filled, writes=False)
    await registry.resolve_blob("a", Digest.of(SMALL))
    await registry.resolve_manifest("a", OF_IMAGE)
    assert all(await are_condemned(filled, LAYER, LAYER_LINK, REVISION))


async def test_a_push_does_not_rely_on_what_a_pull_has_found_condemned(
    filled: MemoryStore,
) -> None:
    registry = StoredRegistry(filled)
    await read_blob(registry, "a", Digest.of(SMALL))
    await registry.get_manifest("a", OF_IMAGE)
    await push_manifest(registry, "a", "multi", INDEX)
    await push_manifest(registry, "a", "v2", IMAGE)
    assert not any(await are_condemned(filled, LAYER, LAYER_LINK, MANIFEST, REVISION))


async def test_a_mark_costs_a_writer_one_call_more(
    filled: MemoryStore,
) -> None:
    store = CountingStore(filled)
    await StoredRegistry(store).resolve_blob("a", Digest.of(SMALL))
    assert store.take() == ["head", "set_metadata", "head", "set_metadata"]
    await StoredRegistry(store).resolve_blob("a", Digest.of(SMALL))
    assert store.take() == ["head", "head"]


async def test_a_mark_that_cannot_be_taken_off_fails_the_push(filled: MemoryStore) -> None:
    class Immutable(CountingStore):
        async def set_metadata(self, *args: object, **kwargs: object) -> str:
            raise StoreRefused("409 BlobImmutableDueToPolicy")

    with pytest.raises(StoreRefused):
        await StoredRegistry(Immutable(filled)).mount_blob("b", Digest.of(SMALL), None)
    assert LAYOUT.blob_link("b", Digest.of(SMALL)) not in filled.objects


class Slow(CountingStore):
    """Storage that takes long to write links; ``meanwhile`` is what happens then."""

    def __init__(self, inner: MemoryStore, clock: Clock, seconds: float) -> None:
        super().__init__(inner)
        self.clock, self.seconds = clock, seconds
        self.slow = "/link"
        self.gone: list[str] = []

    async def put(self, path: str, *args: object, **kwargs: object) -> str:
        etag: str = await self.inner.put(path, *args, **kwargs)  # type: ignore[arg-type]
        if path.endswith(self.slow):
            self.clock.pass_by(self.seconds)
            for each in self.gone:
                self.inner.objects.pop(each, None)  # type: ignore[attr-defined]
        return etag


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_a_blob_that_is_linked_late_is_observed_again(
    filled: MemoryStore, clock: Clock
) -> None:
    store = Slow(filled, clock, RELIED_ON + 1)
    registry = StoredRegistry(store, clock=clock, now=clock)
    await registry.mount_blob("b", Digest.of(SMALL), None)
    assert (await registry.resolve_blob("b", Digest.of(SMALL))).size == len(SMALL)


async def test_a_blob_that_was_collected_before_its_link_was_written_is_not_linked(
    filled: MemoryStore, clock: Clock
) -> None:
    store = Slow(filled, clock, RELIED_ON + 1)
    store.gone = [LAYER]
    registry = StoredRegistry(store, clock=clock, now=clock)
    with pytest.raises(Unavailable, match="collected as garbage"):
        await registry.mount_blob("b", Digest.of(SMALL), None)
    assert LAYOUT.blob_link("b", Digest.of(SMALL)) not in filled.objects
    with pytest.raises(BlobUnknown):
        await registry.resolve_blob("b", Digest.of(SMALL))


@pytest.mark.parametrize("slow", [f"revisions/sha256/{OF_IMAGE.hex}/link", "current/link"])
async def test_a_manifest_whose_layer_was_collected_during_its_push_is_withdrawn(
    filled: MemoryStore, clock: Clock, slow: str
) -> None:
    store = Slow(filled, clock, RELIED_ON + 1)
    store.slow, store.gone = slow, [LAYER, LAYER_LINK]
    registry = StoredRegistry(store, clock=clock, now=clock)
    await registry.delete_tag("a", "v1")
    with pytest.raises(Unavailable, match="collected as garbage"):
        await push_manifest(registry, "a", "v2", IMAGE)
    assert LAYOUT.tag_link("a", "v2") not in filled.objects
    assert REVISION not in filled.objects
    with pytest.raises(ManifestBlobUnknown):
        await push_manifest(StoredRegistry(filled), "a", "v2", IMAGE)


@pytest.mark.parametrize("slow", [f"revisions/sha256/{OF_IMAGE.hex}/link", "current/link"])
async def test_a_manifest_that_was_tagged_before_a_late_push_stays(
    filled: MemoryStore, clock: Clock, slow: str
) -> None:
    """Somebody deletes its layer meanwhile, which can be undone."""
    store = Slow(filled, clock, RELIED_ON + 1)
    store.slow, store.gone = slow, [LAYER_LINK]
    registry = StoredRegistry(store, clock=clock, now=clock)
    with pytest.raises(Unavailable):
        await registry.push_manifest("a", parse_manifest(IMAGE), ["v1", "v2"])
    assert LAYOUT.tag_link("a", "v1") in filled.objects
    assert LAYOUT.tag_link("a", "v2") not in filled.objects
    assert REVISION in filled.objects


async def test_a_manifest_that_is_pushed_late_is_complete_in_the_end(
    filled: MemoryStore, clock: Clock
) -> None:
    store = Slow(filled, clock, RELIED_ON + 1)
    store.slow, store.gone = "current/link", [MANIFEST, REVISION]
    registry = StoredRegistry(store, clock=clock, now=clock)
    await push_manifest(registry, "a", "v2", IMAGE)
    found = await StoredRegistry(filled).get_manifest("a", OF_IMAGE)
    assert found.content == IMAGE


async def test_content_that_was_observed_long_before_its_link_is_observed_again(
    filled: MemoryStore, clock: Clock
) -> None:
    """The two periods together would be longer than what a push may rely on."""
    registry = StoredRegistry(filled, clock=clock, now=clock)
    upload = await registry.append_upload(await registry.start_upload("a"), chunk(SMALL))
    await sentence(filled, LAYER)
    clock.pass_by(RELIED_ON - 1)
    await registry.finish_upload(upload, Digest.of(SMALL), chunk())
    await push_manifest(registry, "a", "v2", IMAGE)
    assert await are_condemned(filled, LAYER) == [False]
