"""The initial content of the store: all of it was acknowledged, and all of it must survive."""

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


def uncached(store: ObjectStore) -> Registry:
    """Return a registry without caches: every request could go to another instance."""
    return StoredRegistry(store, manifest_cache_bytes=0, membership_seconds=0, now=_frozen)


def caching(store: ObjectStore) -> Registry:
    """Return a registry with caches, as in production."""
    return StoredRegistry(store, now=_frozen)


def _frozen() -> float:
    """Return the same time for every push: the same writes leave the same state."""
    return 0.0


async def _fill(world: World) -> None:
    """Push an image with two tags and a referrer, manifests without tags, and a neighbour."""
    registry = uncached(world)
    await push_image(registry, REPOSITORY, "v1", [LAYER])
    await push_blob(registry, REPOSITORY, NEW_LAYER)
    for content, tags in ((OTHER, ("v0",)), (BASE, ("stable",)), (CHILD, ()), (REFERRER, ())):
        digest = Digest.of(content)
        await push_manifest(registry, REPOSITORY, digest, content, tags=tags)
    await push_image(registry, NEIGHBOUR, "v1", [LAYER, NEIGHBOURS_LAYER])


async def _rewrite(world: World) -> None:
    """Make links and content append blobs without metadata, as distribution 3.0 writes them."""
    for path, found in list(world.objects.items()):
        if path.endswith(("/link", "/data")) and "/_referrers/" not in path:
            await world.delete(path)
            await world.append(path, found.content)


@dataclass(frozen=True)
class Scene:
    """Initial stores: filled by this registry (`OURS`), or by distribution (`THEIRS`)."""

    loop: QuietLoop
    ours: State
    theirs: State

    def start(self, written_by: str) -> State:
        return self.ours if written_by == OURS else self.theirs

    def begun(self, *pieces: bytes) -> tuple[State, Upload]:
        """Return the store after an upload's first pieces, and that upload."""
        world = World.of(self.ours)

        async def begin() -> Upload:
            draw_from("the upload that was begun before")
            registry = uncached(world)
            upload = await registry.start_upload(REPOSITORY)
            for piece in pieces:
                upload = await registry.append_upload(upload, chunk(piece))
            return upload

        upload = self.loop.run_until_complete(begin())
        return world.save(), upload


@contextmanager
def scene() -> Iterator[Scene]:
    """Both initial stores, and a deterministic loop to run operations in."""
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
