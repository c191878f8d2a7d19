"""Content that another registry wrote in part, or that is damaged."""

import pytest

from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.spec.errors import ManifestUnknown, Unavailable
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import (
    CONFIG,
    chunk,
    image_manifest,
    push_blob,
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


async def test_a_push_completes_content_that_another_writer_left_incomplete(
    memory: MemoryStore, *, is_append: bool
) -> None:
    for content, part in ((MANIFEST, b""), (CONFIG, b""), (b"layer", b"la"), (LARGE, b"")):
        await leave(memory, content, part, is_append=is_append)
    registry = StoredRegistry(memory)
    for content in (CONFIG, b"layer"):
        await push_blob(registry, "a", content)
    await push_manifest(registry, "a", "v1", MANIFEST)
    upload = await registry.append_upload(await registry.start_upload("a"), chunk(LARGE))
    await registry.finish_upload(upload, Digest.of(LARGE), chunk())
    for content in (MANIFEST, CONFIG, b"layer", LARGE):
        assert memory.objects[LAYOUT.content(Digest.of(content))].content == content
    another = StoredRegistry(memory)
    assert (await another.get_manifest("a", "v1")).content == MANIFEST


async def test_a_large_blob_by_put_completes_it_when_it_is_pushed_again(
    memory: MemoryStore, *, is_append: bool
) -> None:
    await leave(memory, LARGE, b"", is_append=is_append)
    registry = StoredRegistry(memory)
    with pytest.raises(Unavailable, match="push the blob again"):
        await push_blob(registry, "a", LARGE)
    await push_blob(registry, "a", LARGE)
    assert memory.objects[LAYOUT.content(Digest.of(LARGE))].content == LARGE


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
