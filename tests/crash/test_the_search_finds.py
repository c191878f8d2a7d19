"""The same search finds the mistakes of registries that were built wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

import pytest

from registry_core.object_store.errors import NotFound
from registry_core.object_store.interface import ObjectStore, exists, if_match
from registry_core.registry import Chunk, PushedManifest, Registry, Upload
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.errors import DigestInvalid
from registry_core.spec.manifest import Manifest
from registry_core.spec.preconditions import Precondition
from registry_core.storage.manifests import Manifests
from registry_core.storage.stored_registry import StoredRegistry

from . import test_at_once
from .checks import Checker
from .operations import push, read, refused
from .scene import BASE, LAYOUT, NEW, REPOSITORY, SMALL, scene, uncached
from .schedule import Make
from .test_disturbed import IN_TURN, PAIRS


class _Store:
    """Delegates everything that it does not do wrong on purpose."""

    def __init__(self, inner: ObjectStore) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class TwoSteps(_Store):
    """Creates links first and fills them afterwards, as distribution 3.0 does."""

    async def put(self, path: str, content: bytes, **conditions: Any) -> str:
        if path.endswith("/link"):
            etag = await self.inner.put(path, b"", **conditions)
            conditions["condition"] = if_match(etag)
        return await self.inner.put(path, content, **conditions)


class MakesRoom(_Store):
    """Deletes links before it writes them."""

    async def put(self, path: str, content: bytes, **conditions: Any) -> str:
        if path.endswith("/link"):
            with suppress(NotFound):
                await self.inner.delete(path)
                conditions.pop("condition", None)
        return await self.inner.put(path, content, **conditions)


class TagFirst(StoredRegistry):
    """Writes the tag before the manifest that it points to."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.store = store

    async def push_manifest(
        self,
        repository: str,
        manifest: Manifest,
        tags: Sequence[str] = (),
        precondition: Precondition | None = None,
    ) -> PushedManifest:
        link = str(manifest.digest).encode()
        for tag in tags:
            await self.store.put(LAYOUT.tag_link(repository, tag), link)
        return await super().push_manifest(repository, manifest, tags, precondition)


class HashesLater(StoredRegistry):
    """Commits content at its address before its hash is known."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.store = store

    async def finish_upload(self, upload: Upload, digest: Digest, chunk: Chunk) -> Descriptor:
        content = b"".join([piece async for piece in chunk.body])
        await self.store.put(LAYOUT.content(digest), content)
        if Digest.of(content) != digest:
            await self.store.delete(LAYOUT.content(digest))
            raise DigestInvalid
        return await self.mount_blob(upload.repository, digest, None)


class Overwrites(_Store):
    """Moves tags whatever they point to by now."""

    async def put(self, path: str, content: bytes, **conditions: Any) -> str:
        if path.endswith("/current/link"):
            conditions.pop("condition", None)
        return await self.inner.put(path, content, **conditions)


class DeletesAnything(_Store):
    """Deletes objects whatever is in their place by now."""

    async def delete(self, path: str, **_: Any) -> None:
        await self.inner.delete(path)


def without_announcement(store: ObjectStore) -> Registry:
    """Return a registry whose deletions do not say that they begin."""
    registry = uncached(store)
    assert isinstance(registry, StoredRegistry)

    async def begin_generation(_: str) -> None:
        return

    registry._catalog.begin_generation = begin_generation  # type: ignore[assignment]
    return registry


def without_keeping(store: ObjectStore) -> Registry:
    """Return a registry whose pushes only look whether their revision link is still there."""
    registry = uncached(store)
    assert isinstance(registry, StoredRegistry)
    manifests = registry._manifests

    async def keep(repository: str, written: Any, *rest: Any) -> Any:
        if await exists(store, LAYOUT.revision_link(repository, written.link.digest)):
            return written
        return await Manifests._keep(manifests, repository, written, *rest)

    manifests._keep = keep  # type: ignore[method-assign,assignment]
    return registry


def without_announced_removal(store: ObjectStore) -> Registry:
    """Return a registry whose deletions remove a referrer's entry as they find it."""
    registry = uncached(store)
    assert isinstance(registry, StoredRegistry)
    referrers = registry._referrers

    async def announce_removal(repository: str, manifest: Manifest) -> str | None:
        entry = await referrers.look(repository, manifest)
        return entry.etag if entry else None

    referrers.announce_removal = announce_removal  # type: ignore[method-assign]
    return registry


def over(wrong: Callable[[ObjectStore], object]) -> Make:
    """Return a correct registry over a wrong store."""
    return lambda store: uncached(cast(ObjectStore, wrong(store)))


CUT: Mapping[str, tuple[Make, Any, str]] = {
    "two steps": (over(TwoSteps), push("push", REPOSITORY, NEW, "v1"), "holds b''"),
    "deleted first": (over(MakesRoom), push("push", REPOSITORY, BASE, "v1"), "lost: manifest"),
    "tag first": (TagFirst, push("push", REPOSITORY, NEW, "v1"), "is listed by"),
    "hash later": (HashesLater, refused("PUT", REPOSITORY, [], SMALL), "other content"),
}


@pytest.mark.parametrize("wrong", CUT)
def test_a_wrong_registry_is_detected_when_it_is_cut_short(wrong: str) -> None:
    make, operation, said = CUT[wrong]
    with scene() as begin:
        checker = Checker(begin.loop, make)
        checker.cut_short(begin.ours, operation)
    assert any(said in found for found in checker.found), checker.found


@pytest.mark.parametrize("wrong", [TwoSteps, MakesRoom])
def test_a_reader_between_two_steps_detects_a_wrong_store(
    wrong: Callable[[ObjectStore], Registry],
) -> None:
    with scene() as begin:
        checker = Checker(begin.loop, over(wrong))
        pair = push("push", REPOSITORY, BASE, "v1"), read("read", REPOSITORY, Digest.of(BASE))
        checker.interleaved(begin.ours, pair)
    assert checker.found


LATE: Mapping[str, tuple[Make, str]] = {
    "a tag moved, moved on": (over(Overwrites), "'v1') is"),
    "a blob deleted, uploaded again": (over(DeletesAnything), "lost: blob"),
    "a referrer deleted, pushed again": (over(DeletesAnything), "lost: referrer"),
}


@pytest.mark.parametrize("name", LATE)
def test_an_unconditional_write_is_detected_by_a_late_request(name: str) -> None:
    make, said = LATE[name]
    with scene() as begin:
        checker = Checker(begin.loop, make)
        checker.late(begin.ours, IN_TURN[name])
    assert any(said in found for found in checker.found), checker.found


@pytest.mark.parametrize("make", [without_announcement, without_keeping])
def test_a_deletion_that_fails_between_its_steps_detects_a_push_that_misses_it(make: Make) -> None:
    with scene() as begin:
        checker = Checker(begin.loop, make)
        checker.disturbed(begin.ours, PAIRS["another tag, manifest deleted"], 1, switches=2)
    assert any("is listed by" in found for found in checker.found), checker.found


def test_a_push_detects_a_deletion_that_does_not_announce_what_it_removes() -> None:
    with scene() as begin:
        checker = Checker(begin.loop, without_announced_removal)
        case = test_at_once.REFERRER
        checker.at_once(begin.ours, case.operations, switches=case.switches, cap=600)
    assert any("not listed" in found for found in checker.found), checker.found
