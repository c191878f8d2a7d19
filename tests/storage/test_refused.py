"""Pushes over content that storage does not let anybody change: archived, immutable, leased."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from registry_core.object_store.errors import BlocksRefused, StoreRefused
from registry_core.object_store.interface import UNCONDITIONAL, Buffer, Condition, StoredObject
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.spec.errors import Unavailable
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import (
    CONFIG,
    chunk,
    push_blob,
    push_image,
    random_bytes,
    read_blob,
)

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
LARGE = random_bytes(9 * 2**20)
LARGEST = random_bytes(73 * 2**20)


@dataclass
class RefusingStore(MemoryStore):
    """A store that refuses to write or delete the objects at the paths in ``refused``."""

    refused: set[str] = field(default_factory=set)
    blocks_refused: bool = False
    """Whether only blocks are refused."""
    archived: bool = False
    """Whether the objects cannot be read, either."""

    async def get(
        self, path: str, *, limit: int, condition: Condition = UNCONDITIONAL
    ) -> StoredObject:
        if self.archived:
            self._refuse(path)
        return await super().get(path, limit=limit, condition=condition)

    async def put(
        self,
        path: str,
        content: Buffer,
        *,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> str:
        self._refuse(path)
        return await super().put(path, content, metadata=metadata, condition=condition)

    async def stage(self, path: str, block_id: str, content: Buffer, *, md5: bytes) -> None:
        if path in self.refused:
            raise BlocksRefused(f"stage {path}: refused")
        await super().stage(path, block_id, content, md5=md5)

    async def commit(
        self,
        path: str,
        block_ids: Sequence[str],
        *,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> str:
        self._refuse(path)
        return await super().commit(path, block_ids, metadata=metadata, condition=condition)

    async def copy(
        self,
        path: str,
        source: str,
        *,
        size: int,
        metadata: Mapping[str, str],
        source_etag: str | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> str:
        self._refuse(path)
        return await super().copy(
            path,
            source,
            size=size,
            metadata=metadata,
            source_etag=source_etag,
            condition=condition,
        )

    async def delete(self, path: str, *, condition: Condition = UNCONDITIONAL) -> None:
        self._refuse(path)
        await super().delete(path, condition=condition)

    def _refuse(self, path: str) -> None:
        if path in self.refused and not self.blocks_refused:
            raise StoreRefused(f"write {path}: refused")


@pytest.fixture
def store() -> RefusingStore:
    return RefusingStore()


@pytest.fixture
def registry(store: RefusingStore) -> StoredRegistry:
    return StoredRegistry(store)


async def push_by_patch(registry: StoredRegistry, repository: str, content: bytes) -> None:
    """Push a blob as docker does: its digest is known only at the end."""
    upload = await registry.append_upload(await registry.start_upload(repository), chunk(content))
    await registry.finish_upload(upload, Digest.of(content), chunk())


@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.parametrize("content", [CONFIG, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("push", [push_blob, push_by_patch], ids=["put", "patch"])
async def test_content_that_is_there_is_linked_though_it_cannot_be_written(
    store: RefusingStore, registry: StoredRegistry, push: type, content: bytes, *, archived: bool
) -> None:
    """Immutable, leased or archived."""
    await push_blob(registry, "a", content)
    store.refused, store.archived = {LAYOUT.content(Digest.of(content))}, archived
    await push(registry, "b", content)
    assert (await registry.open_blob("b", Digest.of(content))).descriptor.size == len(content)


@pytest.mark.parametrize("content", [CONFIG, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("push", [push_blob, push_by_patch], ids=["put", "patch"])
async def test_content_that_is_not_there_is_not_acknowledged(
    store: RefusingStore, registry: StoredRegistry, push: type, content: bytes
) -> None:
    path = LAYOUT.content(Digest.of(content))
    store.refused = {path}
    with pytest.raises(StoreRefused, match="refused"):
        await push(registry, "a", content)
    assert path not in store.objects
    assert LAYOUT.blob_link("a", Digest.of(content)) not in store.objects


@pytest.mark.parametrize("content", [CONFIG, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("push", [push_blob, push_by_patch], ids=["put", "patch"])
async def test_content_is_pushed_where_only_blocks_are_refused(
    store: RefusingStore, registry: StoredRegistry, push: type, content: bytes
) -> None:
    """Blocks that another program has left there have ids of another length, or are too many."""
    store.refused, store.blocks_refused = {LAYOUT.content(Digest.of(content))}, True
    await push(registry, "a", content)
    assert await read_blob(registry, "a", Digest.of(content)) == content
    assert not [path for path in store.objects if path.startswith(LAYOUT.uploads)]
    assert not store.staged


async def test_blocks_that_are_refused_halfway_are_pushed_again(
    store: RefusingStore, registry: StoredRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some are at the content's address, and cannot be moved."""
    path, stage = LAYOUT.content(Digest.of(LARGE)), store.stage

    async def stage_and_refuse(*args: Any, **options: Any) -> None:
        await stage(*args, **options)
        store.refused, store.blocks_refused = {path}, True

    monkeypatch.setattr(store, "stage", stage_and_refuse)
    with pytest.raises(Unavailable, match="push the blob again"):
        await push_blob(registry, "a", LARGE)
    await push_blob(registry, "a", LARGE)
    assert await read_blob(registry, "a", Digest.of(LARGE)) == LARGE


async def test_nothing_more_is_staged_where_a_write_was_refused(
    store: RefusingStore, registry: StoredRegistry
) -> None:
    """The body is received to its end, since the content may be there all the same."""
    path, staged = LAYOUT.content(Digest.of(LARGEST)), []

    async def refuse(path: str, *_: Any, **__: Any) -> None:
        staged.append(path)
        raise StoreRefused(f"stage {path}: refused")

    store.stage = refuse  # type: ignore[method-assign]
    with pytest.raises(StoreRefused):
        await push_blob(registry, "a", LARGEST)
    assert 1 <= len(staged) <= 4
    assert set(staged) == {path}


async def test_a_refused_upload_fails_at_once(
    store: RefusingStore, registry: StoredRegistry
) -> None:
    upload = await registry.start_upload("a")
    store.refused = {LAYOUT.upload("a", upload.id)}
    with pytest.raises(BlocksRefused):
        await registry.append_upload(upload, chunk(LARGE))


async def test_an_upload_that_cannot_be_deleted_does_not_fail_a_push(
    store: RefusingStore, registry: StoredRegistry
) -> None:
    upload = await registry.append_upload(await registry.start_upload("a"), chunk(LARGE))
    store.refused = {LAYOUT.upload("a", upload.id)}
    await registry.finish_upload(upload, Digest.of(LARGE), chunk())
    assert LAYOUT.upload("a", upload.id) in store.objects


async def test_an_immutable_tag_link_is_refused(
    store: RefusingStore, registry: StoredRegistry
) -> None:
    await push_image(registry, "a", "v1", [b"one"])
    store.refused = {LAYOUT.tag_link("a", "v1")}
    with pytest.raises(StoreRefused):
        await push_image(registry, "a", "v1", [b"two"])
