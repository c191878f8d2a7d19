"""The same search finds the mistakes of registries that were built wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

import pytest

from registry_core.object_store.interface import NotFound, ObjectStore
from registry_core.registry import Chunk, PushedManifest, Registry, Upload
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.errors import DigestInvalid
from registry_core.spec.manifest import Manifest
from registry_core.storage.stored_registry import StoredRegistry

from .checks import Checker
from .operations import push, read, refused
from .scene import BASE, LAYOUT, NEW, REPOSITORY, SMALL, scene, uncached
from .schedule import Make


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
            await self.inner.put(path, b"", **conditions)
        return await self.inner.put(path, content, **conditions)


class MakesRoom(_Store):
    """Deletes links before it writes them."""

    async def put(self, path: str, content: bytes, **conditions: Any) -> str:
        if path.endswith("/link"):
            with suppress(NotFound):
                await self.inner.delete(path)
        return await self.inner.put(path, content, **conditions)


class TagFirst(StoredRegistry):
    """Writes the tag before the manifest that it points to."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.store = store

    async def push_manifest(
        self, repository: str, manifest: Manifest, tags: Sequence[str] = ()
    ) -> PushedManifest:
        link = str(manifest.digest).encode()
        for tag in tags:
            await self.store.put(LAYOUT.tag_link(repository, tag), link)
        return await super().push_manifest(repository, manifest, tags)


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
