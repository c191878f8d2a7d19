"""A tag's history: what it points to and has pointed to, and whether that is still there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from registry_core.globs import TagGlobs
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.spec.errors import ManifestUnknown
from registry_core.storage.history import PastTarget, Presence
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.clock import Clock
from tests.support.content import image_manifest, push_blob, push_image, push_manifest
from tests.support.counting import CountingStore

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
START = 1_700_000_000.0
DAY = 86_400


def layer(number: int) -> bytes:
    return b"layer %d" % number


def digest_of(number: int) -> Digest:
    return Digest.of(image_manifest(layer(number)))


def at(days: int) -> datetime:
    return datetime.fromtimestamp(START + days * DAY, UTC)


@dataclass
class World:
    """A registry in which ``v1`` is moved once a day: to the images 0, 1 and 2."""

    memory: MemoryStore = field(default_factory=MemoryStore)
    clock: Clock = field(default_factory=lambda: Clock(START))

    def __post_init__(self) -> None:
        self.store = CountingStore(self.memory)
        self.registry = StoredRegistry(self.store, now=self.clock)

    async def push(self, number: int, tag: str = "v1") -> None:
        await push_image(self.registry, "a/b", tag, [layer(number)])
        self.clock.pass_by(DAY)

    async def history(self, tag: str = "v1") -> list[PastTarget]:
        """Return the history as another instance reads it."""
        self.store.take()
        return await StoredRegistry(self.store).history.of_tag("a/b", tag)


@pytest.fixture
async def world() -> World:
    world = World()
    for number in range(3):
        await world.push(number)
    return world


async def test_what_a_tag_was_last_set_to_comes_first(world: World) -> None:
    found = await world.history()
    assert [(target.digest, target.since, target.is_current) for target in found] == [
        (digest_of(2), at(2), True),
        (digest_of(1), at(1), False),
        (digest_of(0), at(0), False),
    ]
    assert {target.presence for target in found} == {Presence.HERE}
    assert world.store.take() == ["list_page", *["head"] * 6]


async def test_a_tag_that_was_set_back_points_to_the_earlier_manifest(world: World) -> None:
    await world.push(0)
    assert [(target.digest, target.since) for target in await world.history()] == [
        (digest_of(0), at(3)),
        (digest_of(2), at(2)),
        (digest_of(1), at(1)),
    ]


async def test_the_platform_of_an_image_is_known(world: World) -> None:
    await push_blob(world.registry, "a/b", b'{"os":"linux","architecture":"arm64"}')
    config = {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": str(Digest.of(b'{"os":"linux","architecture":"arm64"}')),
        "size": 37,
    }
    await push_manifest(world.registry, "a/b", "v1", image_manifest(config=config))
    newest, *_ = await world.history()
    assert newest.manifest is not None
    assert newest.manifest.image is not None
    assert newest.manifest.image.architecture == "arm64"


async def test_a_deleted_manifest_is_in_the_trash_until_it_is_purged(world: World) -> None:
    await world.registry.delete_manifest("a/b", digest_of(1))
    current, deleted, _ = await world.history()
    assert (current.presence, deleted.presence) == (Presence.HERE, Presence.TRASH)
    assert deleted.deletion is not None
    await world.registry.trash.purge([deleted.deletion])
    assert [target.presence for target in await world.history()] == ["here", "gone", "here"]


async def test_a_manifest_whose_content_is_missing_is_gone(world: World) -> None:
    """As CNCF distribution's collection of garbage may leave it."""
    await world.memory.delete(LAYOUT.content(digest_of(1)))
    assert [target.presence for target in await world.history()] == ["here", "gone", "here"]


async def test_a_tag_that_does_not_exist_has_no_history(world: World) -> None:
    with pytest.raises(ManifestUnknown, match=r"^the repository a/b has no tag v2$"):
        await world.history("v2")


async def test_a_deleted_tag_is_in_the_trash(world: World) -> None:
    await world.registry.delete_tag("a/b", "v1")
    with pytest.raises(ManifestUnknown) as error:
        await world.history()
    [entry] = [entry async for entry in world.registry.trash.list("a/b")]
    assert error.value.message == (
        "the repository a/b has no tag v1: it was deleted on "
        f"{entry.deleted:%Y-%m-%d %H:%M}Z, when it pointed to {digest_of(2)}; "
        f"the trash has it: {entry.id}"
    )


async def test_the_history_that_distribution_wrote_is_read_as_well(world: World) -> None:
    """Its links are append blobs without metadata; their times are storage's."""
    for path, stored in list(world.memory.objects.items()):
        await world.memory.delete(path)
        await world.memory.append(path, stored.content)
    found = await world.history()
    assert [target.is_current for target in found].count(True) == 1
    current = next(target for target in found if target.is_current)
    assert current.digest == digest_of(2)
    assert {target.digest for target in found} == {digest_of(number) for number in range(3)}
    for target in found:
        assert target.presence is Presence.HERE
        assert target.manifest is not None
        assert target.manifest.media_type == "application/vnd.oci.image.manifest.v1+json"


async def test_a_tag_without_an_index_has_what_it_points_to(world: World) -> None:
    """A push that was cut off has left it."""
    await world.memory.delete(LAYOUT.tag_index_link("a/b", "v1", digest_of(2)))
    current, *_ = await world.history()
    assert (current.digest, current.since, current.is_current) == (digest_of(2), at(2), True)


async def test_a_tag_without_a_current_link_points_to_the_newest_that_is_here(
    world: World,
) -> None:
    """As it does for a pull: so it does not if it is immutable."""
    await world.memory.delete(LAYOUT.tag_link("a/b", "v1"))
    await world.memory.delete(LAYOUT.revision_link("a/b", digest_of(2)))
    assert [target.is_current for target in await world.history()] == [False, True, False]
    immutable = StoredRegistry(world.store, immutable_tags=TagGlobs.parse("a/b:v*"))
    found = await immutable.history.of_tag("a/b", "v1")
    assert [target.is_current for target in found] == [False, False, False]
