"""What others have left at a content address, or are about to put there, blocks no push."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from registry_core.object_store.interface import ObjectStore
from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from registry_core.spec.errors import DigestInvalid
from registry_core.storage import content as content_module
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.azurite import container_client, opened
from tests.support.blocked_store import BlockedStore
from tests.support.content import (
    CONFIG,
    chunk,
    image_manifest,
    push_blob,
    push_image,
    random_bytes,
    read_blob,
)

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
SMALL = b"a small layer"
LARGE = random_bytes(9 * 2**20)
SOMETHING_ELSE = random_bytes(9 * 2**20, seed=1)
MANIFEST = image_manifest(SMALL)


@pytest.fixture(params=["memory", "azurite"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[ObjectStore]:
    if request.param == "memory":
        yield BlockedStore()
        return
    azurite: Azurite = request.getfixturevalue("azurite")
    async with opened(azurite, request.getfixturevalue("container_name")) as store:
        yield store


async def push_by_patch(registry: StoredRegistry, repository: str, content: bytes) -> None:
    upload = await registry.append_upload(await registry.start_upload(repository), chunk(content))
    await registry.finish_upload(upload, Digest.of(content), chunk())


async def poison(registry: StoredRegistry, content: bytes) -> None:
    """Upload something else under a content's digest: its blocks stay for a week."""
    upload = await registry.start_upload("evil")
    with pytest.raises(DigestInvalid):
        await registry.finish_upload(upload, Digest.of(content), chunk(SOMETHING_ELSE))


Push = Callable[[StoredRegistry, str, bytes], Awaitable[object]]


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("push", [push_blob, push_by_patch], ids=["put", "patch"])
async def test_a_blob_is_pushed_where_a_refused_upload_has_left_blocks(
    store: ObjectStore, push: Push, content: bytes
) -> None:
    registry = StoredRegistry(store)
    await poison(registry, content)
    await push(registry, "a", content)
    assert await read_blob(registry, "a", Digest.of(content)) == content


async def test_an_image_is_pushed_where_refused_uploads_have_left_blocks(
    store: ObjectStore,
) -> None:
    """At the addresses of its config and of its manifest, which somebody has guessed."""
    registry = StoredRegistry(store)
    for content in (CONFIG, MANIFEST):
        await poison(registry, content)
    await push_image(registry, "a", "v1", [SMALL])
    found = await StoredRegistry(store).get_manifest("a", "v1")
    assert found.content == MANIFEST


@pytest.mark.parametrize("push", [push_blob, push_by_patch], ids=["put", "patch"])
async def test_a_large_blob_is_pushed_where_another_program_has_left_blocks(
    azurite: Azurite, container_name: str, push: Push
) -> None:
    """Their ids have another length, so that storage refuses all of ours."""
    path = LAYOUT.content(Digest.of(LARGE))

    def leave() -> None:
        with container_client(azurite, container_name) as client:
            client.get_blob_client(path).stage_block("short", b"left behind")

    await asyncio.to_thread(leave)
    async with opened(azurite, container_name) as store:
        registry = StoredRegistry(store)
        await push(registry, "a", LARGE)
        assert await read_blob(registry, "a", Digest.of(LARGE)) == LARGE
        left = await store.list_page(LAYOUT.uploads)
        assert left.entries == []


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("looks", [1, 3, 100])
@pytest.mark.parametrize("push", [push_blob, push_by_patch], ids=["put", "patch"])
async def test_a_blob_is_pushed_while_another_client_puts_it(
    monkeypatch: pytest.MonkeyPatch, push: Push, content: bytes, looks: int
) -> None:
    """Azure says that it exists before it can be read. With 100 looks it never can."""
    monkeypatch.setattr(content_module, "REREAD_DELAYS", (0, 0, 0))
    path = LAYOUT.content(Digest.of(content))
    store = BlockedStore(under_way={path: looks}, arriving={path: content})
    registry = StoredRegistry(store)
    await push(registry, "a", content)
    assert store.objects[path].content == content
    assert await read_blob(registry, "a", Digest.of(content)) == content


async def test_a_put_under_way_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is put over it."""
    monkeypatch.setattr(content_module, "REREAD_DELAYS", (0, 0, 0))
    path = LAYOUT.content(Digest.of(SMALL))
    store = BlockedStore(under_way={path: 3}, arriving={path: SMALL})
    await push_blob(StoredRegistry(store), "a", SMALL)
    assert not store.under_way
    assert store.objects[path].properties.etag == '"0"'
