"""Content that another registry wrote in part, or that is damaged."""

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from registry_core.object_store.errors import StoreRefused
from registry_core.object_store.interface import Properties
from registry_core.object_store.memory import MemoryStore
from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from registry_core.spec.errors import BlobUploadUnknown, DigestInvalid, ManifestUnknown, Unavailable
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.azurite import opened
from tests.support.content import (
    CONFIG,
    chunk,
    image_manifest,
    push_blob,
    push_image,
    push_manifest,
    random_bytes,
)

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
MANIFEST = image_manifest(b"layer")
LARGE = random_bytes(9 * 2**20)


@pytest.fixture(params=["append", "block"])
def is_append(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "append")


async def leave(memory: MemoryStore, content: bytes, part: bytes, *, is_append: bool) -> None:
    """Write what a writer that was cut off leaves at the content's address."""
    path = LAYOUT.content(Digest.of(content))
    if is_append:
        await memory.append(path, part)
    else:
        await memory.put(path, part)


def later(memory: MemoryStore) -> StoredRegistry:
    """Return a registry for which what was written is two minutes old."""
    return StoredRegistry(memory, now=lambda: time.time() + 120)


async def test_a_push_completes_content_that_another_writer_left_incomplete(
    memory: MemoryStore, *, is_append: bool
) -> None:
    for content, part in ((MANIFEST, b""), (CONFIG, b""), (b"layer", b"la"), (LARGE, b"")):
        await leave(memory, content, part, is_append=is_append)
    registry = later(memory)
    for content in (CONFIG, b"layer"):
        await push_blob(registry, "a", content)
    await push_manifest(registry, "a", "v1", MANIFEST)
    upload = await registry.append_upload(await registry.start_upload("a"), chunk(LARGE))
    await registry.finish_upload(upload, Digest.of(LARGE), chunk())
    for content in (MANIFEST, CONFIG, b"layer", LARGE):
        assert memory.objects[LAYOUT.content(Digest.of(content))].content == content
    another = StoredRegistry(memory)
    assert (await another.get_manifest("a", "v1")).content == MANIFEST


async def test_a_push_completes_a_large_blob_by_put(
    memory: MemoryStore, *, is_append: bool
) -> None:
    await leave(memory, LARGE, b"", is_append=is_append)
    await push_blob(later(memory), "a", LARGE)
    assert memory.objects[LAYOUT.content(Digest.of(LARGE))].content == LARGE
    assert not [path for path in memory.objects if path.startswith(LAYOUT.uploads)]


@pytest.mark.parametrize("content", [CONFIG, LARGE], ids=["small", "large"])
async def test_content_that_another_registry_may_still_complete_is_left_to_it(
    memory: MemoryStore, content: bytes
) -> None:
    """For a minute; until then the push fails, and the client may try again."""
    await leave(memory, content, content[:5], is_append=True)
    before = memory.objects[LAYOUT.content(Digest.of(content))]
    registry = StoredRegistry(memory)
    with pytest.raises(Unavailable, match="being written by another registry"):
        await push_blob(registry, "a", content)
    upload = await registry.append_upload(await registry.start_upload("a"), chunk(LARGE))
    if content is LARGE:
        with pytest.raises(Unavailable, match="being written by another registry"):
            await registry.finish_upload(upload, Digest.of(LARGE), chunk())
    assert memory.objects[LAYOUT.content(Digest.of(content))] == before


@pytest.mark.parametrize("age", [59, 60])
async def test_how_old_incomplete_content_is_storage_says(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch, age: int
) -> None:
    """Whatever the clock of this machine shows."""
    await leave(memory, CONFIG, CONFIG[:5], is_append=True)
    head = memory.head

    async def head_at(path: str) -> Properties:
        found = await head(path)
        return replace(found, answered=found.last_modified + timedelta(seconds=age))

    monkeypatch.setattr(memory, "head", head_at)
    pushing = push_blob(StoredRegistry(memory) if age == 60 else later(memory), "a", CONFIG)
    if age == 60:
        await pushing
    else:
        with pytest.raises(Unavailable):
            await pushing


async def test_storage_says_what_its_clock_shows(azurite: Azurite, container_name: str) -> None:
    async with opened(azurite, container_name) as store:
        await store.put("a", CONFIG)
        found = await store.head("a")
    assert found.answered is not None
    assert timedelta(0) <= found.answered - found.last_modified < timedelta(seconds=30)


async def test_content_that_is_completed_meanwhile_is_left_alone(memory: MemoryStore) -> None:
    path = LAYOUT.content(Digest.of(CONFIG))
    await memory.append(path, CONFIG[:5])
    head = memory.head

    async def complete_and_head(read: str) -> object:
        found = await head(read)
        if read == path and found.size == 5:
            await memory.append(path, CONFIG[5:])
        return found

    memory.head = complete_and_head  # type: ignore[method-assign, assignment]
    await push_blob(StoredRegistry(memory), "a", CONFIG)
    assert memory.objects[path].properties.is_append
    assert memory.objects[path].content == CONFIG


async def test_a_damaged_manifest_is_never_served(
    memory: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    registry = StoredRegistry(memory)
    for content in (CONFIG, b"layer"):
        await push_blob(registry, "a", content)
    await push_manifest(registry, "a", "v1", MANIFEST)
    await memory.put(LAYOUT.content(Digest.of(MANIFEST)), MANIFEST[:-1] + b" ")
    another = StoredRegistry(memory)
    for reference in ("v1", Digest.of(MANIFEST)):
        with pytest.raises(ManifestUnknown):
            await another.get_manifest("a", reference)
    assert "does not hash to its address" in caplog.text


@pytest.mark.parametrize("content", [MANIFEST, CONFIG], ids=["manifest", "config"])
async def test_a_push_replaces_damaged_content_of_the_right_size(
    memory: MemoryStore, content: bytes, caplog: pytest.LogCaptureFixture, *, is_append: bool
) -> None:
    await push_image(StoredRegistry(memory), "a", "v1", [b"layer"])
    path = LAYOUT.content(Digest.of(content))
    await memory.delete(path)
    await leave(memory, content, content[:-1] + b" ", is_append=is_append)
    await push_image(StoredRegistry(memory), "a", "v1", [b"layer"])
    assert memory.objects[path].content == content
    assert f"{path} does not hash to its address; it is replaced" in caplog.text
    another = StoredRegistry(memory)
    assert (await another.get_manifest("a", "v1")).content == MANIFEST


async def test_damaged_content_that_storage_does_not_let_change_is_not_acknowledged(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await leave(memory, CONFIG, CONFIG[:-1] + b" ", is_append=False)
    put = memory.put

    async def refuse(path: str, *arguments: Any, **options: Any) -> str:
        if path == LAYOUT.content(Digest.of(CONFIG)):
            raise StoreRefused(f"put {path}: immutable")
        return await put(path, *arguments, **options)

    monkeypatch.setattr(memory, "put", refuse)
    with pytest.raises(StoreRefused):
        await push_blob(StoredRegistry(memory), "a", CONFIG)


async def test_a_put_of_damaged_content_does_not_overwrite_what_another_push_put(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await leave(memory, CONFIG, CONFIG[:-1] + b" ", is_append=False)
    path, get = LAYOUT.content(Digest.of(CONFIG)), memory.get
    healed: list[str] = []

    async def get_and_heal(read: str, *, limit: int) -> object:
        found = await get(read, limit=limit)
        if found.content != CONFIG:
            healed.append(await memory.put(path, CONFIG))
        return found

    monkeypatch.setattr(memory, "get", get_and_heal)
    await push_blob(StoredRegistry(memory), "a", CONFIG)
    assert [memory.objects[path].properties.etag] == healed


@pytest.mark.parametrize("damaged", [CONFIG[:-1] + b" ", CONFIG + b"more", CONFIG[:-1]])
async def test_of_a_blob_by_another_algorithm_damaged_content_is_not_published(
    memory: MemoryStore, damaged: bytes
) -> None:
    """The bytes of a small PATCH are at their sha256 when the PUT names a sha512."""
    registry, digest = StoredRegistry(memory), Digest.of(CONFIG, "sha512")
    upload = await registry.append_upload(await registry.start_upload("a"), chunk(CONFIG))
    await memory.put(LAYOUT.content(Digest.of(CONFIG)), damaged)
    with pytest.raises((BlobUploadUnknown, DigestInvalid)):
        await registry.finish_upload(upload, digest, chunk())
    assert LAYOUT.content(digest) not in memory.objects
