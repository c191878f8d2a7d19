"""Blobs as they are read: sent by the registry or redirected, whole or damaged in storage."""

import pytest

from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.spec.errors import BlobUnknown
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import push_blob, random_bytes

pytestmark = pytest.mark.anyio

LAYOUT = Layout()


@pytest.fixture
def signing(memory: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    async def signed_url(path: str, **_: object) -> str:
        return f"https://storage.example/{path}"

    monkeypatch.setattr(memory, "signed_url", signed_url)
    return memory


@pytest.mark.parametrize(
    "least, size, redirected",
    [(0, 0, False), (0, 1, True), (100, 100, False), (100, 101, True), (2**20, 2**20, False)],
)
async def test_a_blob_is_redirected_if_it_is_larger_than_the_minimum(
    signing: MemoryStore, least: int, size: int, *, redirected: bool
) -> None:
    registry = StoredRegistry(signing, redirect_min_size=least)
    content = random_bytes(size)
    await push_blob(registry, "a", content)
    blob = await registry.open_blob("a", Digest.of(content))
    assert (await blob.url() is not None) is redirected


async def test_without_redirects_the_minimum_has_no_effect(signing: MemoryStore) -> None:
    registry = StoredRegistry(signing, redirect=False, redirect_min_size=0)
    await push_blob(registry, "a", b"layer")
    assert await (await registry.open_blob("a", Digest.of(b"layer"))).url() is None


@pytest.mark.parametrize("left", [None, b"", b"lay", b"layers"])
@pytest.mark.parametrize("offset", [0, 4])
async def test_content_of_another_size_is_unknown_before_an_answer_begins(
    registry: StoredRegistry, memory: MemoryStore, left: bytes | None, offset: int
) -> None:
    await push_blob(registry, "a", b"layer")
    path = LAYOUT.content(Digest.of(b"layer"))
    await memory.delete(path)
    if left is not None:
        await memory.put(path, left)
    blob = await registry.open_blob("a", Digest.of(b"layer"))
    with pytest.raises(BlobUnknown, match="missing"):
        await blob.read(offset, 5 - offset)
