"""Blobs pushed to CNCF distribution by their sha512: it stores them under their sha256."""

from __future__ import annotations

import pytest

from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import SHA512, Digest
from registry_core.spec.errors import BlobUnknown
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import chunk
from tests.support.counting import CountingStore

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
CONTENT = b"a layer"
STORED, PUSHED = Digest.of(CONTENT), Digest.of(CONTENT, SHA512)


@pytest.fixture
async def written(memory: MemoryStore) -> None:
    """The links and content that distribution writes for such a push to the repository "a"."""
    await memory.put(LAYOUT.content(STORED), CONTENT)
    for digest in (STORED, PUSHED):
        await memory.put(LAYOUT.blob_link("a", digest), str(STORED).encode())


@pytest.mark.usefixtures("written")
async def test_the_blob_is_found_and_read(
    store: CountingStore, memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three calls find it, none once it is cached."""

    async def signed_url(path: str, **_: object) -> str:
        return f"https://storage.example/{path}"

    monkeypatch.setattr(memory, "signed_url", signed_url)
    registry = StoredRegistry(store, redirect_min_size=0)
    blob = await registry.open_blob("a", PUSHED)
    assert (blob.descriptor.digest, blob.descriptor.size) == (PUSHED, len(CONTENT))
    assert store.take() == ["head", "get", "head"]
    body = await (await registry.open_blob("a", PUSHED)).read(2, 3)
    assert b"".join([bytes(piece) async for piece in body]) == CONTENT[2:5]
    assert await blob.url() == f"https://storage.example/{LAYOUT.content(STORED)}"


@pytest.mark.usefixtures("written")
async def test_the_blob_is_not_mounted_but_pushed(registry: StoredRegistry) -> None:
    """Nothing is stored under the digest that the other repository's link would name."""
    for _ in range(2):
        with pytest.raises(BlobUnknown):
            await registry.mount_blob("b", PUSHED, "a")
    upload = await registry.start_upload("b", SHA512)
    await registry.finish_upload(upload, PUSHED, chunk(CONTENT))
    assert (await registry.open_blob("b", PUSHED)).descriptor.size == len(CONTENT)


@pytest.mark.usefixtures("written")
async def test_a_blob_whose_content_is_gone_is_unknown(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    """Its garbage collector, which looks for the digest in manifests, deletes such content."""
    await memory.delete(LAYOUT.content(STORED))
    with pytest.raises(BlobUnknown):
        await registry.open_blob("a", PUSHED)
