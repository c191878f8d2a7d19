"""Blobs that CNCF distribution was pushed by their sha512: it keeps them under their sha256."""

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
KEPT, ASKED = Digest.of(CONTENT), Digest.of(CONTENT, SHA512)


@pytest.fixture
async def written(memory: MemoryStore) -> None:
    """What distribution leaves of such a push to the repository "a"."""
    await memory.put(LAYOUT.content(KEPT), CONTENT)
    for digest in (KEPT, ASKED):
        await memory.put(LAYOUT.blob_link("a", digest), str(KEPT).encode())


@pytest.mark.usefixtures("written")
async def test_the_blob_is_found_and_read(store: CountingStore) -> None:
    """Three calls to find it, none once it is remembered."""
    registry = StoredRegistry(store)
    blob = await registry.open_blob("a", ASKED)
    assert (blob.descriptor.digest, blob.descriptor.size) == (ASKED, len(CONTENT))
    assert store.take() == ["head", "get", "head"]
    body = await (await registry.open_blob("a", ASKED)).read(2, 3)
    assert b"".join([bytes(piece) async for piece in body]) == CONTENT[2:5]
    assert LAYOUT.content(KEPT) in (await blob.url() or "")


@pytest.mark.usefixtures("written")
async def test_the_blob_is_not_mounted_but_pushed(registry: StoredRegistry) -> None:
    """Nothing is kept under the digest that the link of another repository would name."""
    for _ in range(2):
        with pytest.raises(BlobUnknown):
            await registry.mount_blob("b", ASKED, "a")
    upload = await registry.start_upload("b", SHA512)
    await registry.finish_upload(upload, ASKED, chunk(CONTENT))
    assert (await registry.open_blob("b", ASKED)).descriptor.size == len(CONTENT)


@pytest.mark.usefixtures("written")
async def test_a_blob_whose_content_is_gone_is_unknown(
    registry: StoredRegistry, memory: MemoryStore
) -> None:
    """Its garbage collector, which looks for the digest in manifests, deletes such content."""
    await memory.delete(LAYOUT.content(KEPT))
    with pytest.raises(BlobUnknown):
        await registry.open_blob("a", ASKED)
