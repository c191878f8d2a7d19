"""What lies in the store before: all of it was acknowledged, and none of it may suffer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from registry_core.object_store.interface import ObjectStore
from registry_core.registry import Registry, Upload
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.storage import ingest
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import (
    chunk,
    descriptor,
    image_index,
    image_manifest,
    push_blob,
    push_image,
    push_manifest,
)

from .chance import draw_from, leave_nothing_to_chance
from .loop import QuietLoop
from .world import State, World

OURS, THEIRS = "ours", "theirs"

BLOCK = 64
"""Bytes of a block here, so that a few bytes take as many calls as 20 MiB do."""

SMALL = b"fits in one block"
LARGE = bytes(range(2 * BLOCK + 22))
LATER = bytes(range(100, 100 + BLOCK + 9))

REPOSITORY = "library/app"
NEIGHBOUR = "library"
LAYER = b"a layer that was there before"
NEIGHBOURS_LAYER = b"a layer of the neighbour's own"
NEW_LAYER = b"a layer that waits for its manifest"
BASE = image_manifest(LAYER)
OTHER = image_manifest(LAYER, annotations={"another": "manifest"})
CHILD = image_manifest(NEW_LAYER, annotations={"a": "child"})
NEW = image_manifest(NEW_LAYER)
NEWER = image_manifest(NEW_LAYER, annotations={"the": "next one"})
INDEX = image_index(BASE, CHILD)
_SUBJECT = descriptor(BASE, media_types.OCI_MANIFEST)
REFERRER = image_manifest(subject=_SUBJECT, artifactType="application/vnd.example.signature")
NEW_REFERRER = image_manifest(subject=_SUBJECT, artifactType="application/vnd.example.sbom")


def forgetful(store: ObjectStore) -> Registry:
    """A registry that remembers nothing: whatever it is asked, another instance could answer."""
    return StoredRegistry(store, manifest_cache_bytes=0, membership_seconds=0, now=_at_once)


def remembering(store: ObjectStore) -> Registry:
    """A registry that remembers what it has seen, as they do in service."""
    return StoredRegistry(store, now=_at_once)


def _at_once() -> float:
    """Return the time of every push: the same writes leave the same state behind."""
    return 0.0


async def _fill(world: World) -> None:
    """An image with two tags and a referrer, manifests without tags, and a neighbour."""
    registry = forgetful(world)
    await push_image(registry, REPOSITORY, "v1", [LAYER])
    await push_blob(registry, REPOSITORY, NEW_LAYER)
    for content, tags in ((OTHER, ("v0",)), (BASE, ("stable",)), (CHILD, ()), (REFERRER, ())):
        digest = Digest.of(content)
        await push_manifest(registry, REPOSITORY, digest, content, tags=tags)
    await push_image(registry, NEIGHBOUR, "v1", [LAYER, NEIGHBOURS_LAYER])


async def _rewrite(world: World) -> None:
    """Links and content as append blobs that say nothing more, as distribution 3.0 leaves them."""
    for path, found in list(world.objects.items()):
        if path.endswith(("/link", "/data")) and "/_referrers/" not in path:
            await world.delete(path)
            await world.append(path, found.content)


@dataclass(frozen=True)
class Scene:
    """A store to begin from: one that this registry filled (`OURS`), or another one (`THEIRS`)."""

    loop: QuietLoop
    ours: State
    theirs: State

    def start(self, written_by: str) -> State:
        return self.ours if written_by == OURS else self.theirs

    def begun(self, *pieces: bytes) -> tuple[State, Upload]:
        """The store after an upload's first pieces, and that upload."""
        world = World.of(self.ours)

        async def begin() -> Upload:
            draw_from("the upload that was begun before")
            registry = forgetful(world)
            upload = await registry.start_upload(REPOSITORY)
            for piece in pieces:
                upload = await registry.append_upload(upload, chunk(piece))
            return upload

        upload = self.loop.run_until_complete(begin())
        return world.save(), upload


@contextmanager
def scene() -> Iterator[Scene]:
    """Both stores, and a loop to run over them in which nothing is left to chance."""
    loop = QuietLoop()
    with pytest.MonkeyPatch.context() as patch:
        leave_nothing_to_chance(patch)
        patch.setattr(ingest, "BLOCK", BLOCK)
        world = World()

        async def prepare() -> tuple[State, State]:
            draw_from("before")
            await _fill(world)
            ours = world.save()
            await _rewrite(world)
            return ours, world.save()

        yield Scene(loop, *loop.run_until_complete(prepare()))
    loop.close()
    assert loop.reports == []


LAYOUT = Layout()
