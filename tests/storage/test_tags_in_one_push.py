"""Several tags in one push, some of which storage refuses."""

import pytest

from registry_core.object_store.errors import StoreUnavailable
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.spec.errors import ErrorCode
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import CONFIG, image_manifest, push_blob, push_manifest

pytestmark = pytest.mark.anyio

MANIFEST = image_manifest()
DIGEST = Digest.of(MANIFEST)
TAGS = [f"tag-{number:02}" for number in range(10)]


async def test_a_push_that_cannot_set_every_tag_fails_and_can_be_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No tag points to a missing manifest, and the same push sets them all when repeated."""
    memory = MemoryStore()
    registry = StoredRegistry(memory)
    await push_blob(registry, "a", CONFIG)
    put, refused = memory.put, Layout().tag_link("a", TAGS[4])

    async def put_unless_refused(path: str, *args: object, **kwargs: object) -> object:
        if path == refused:
            raise StoreUnavailable("storage is away")
        return await put(path, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(memory, "put", put_unless_refused)
    with pytest.raises(StoreUnavailable) as error:
        await push_manifest(registry, "a", DIGEST, MANIFEST, tags=TAGS)
    assert error.value.code is ErrorCode.UNAVAILABLE
    assert (await registry.get_manifest("a", DIGEST)).content == MANIFEST

    monkeypatch.undo()
    await push_manifest(registry, "a", DIGEST, MANIFEST, tags=TAGS)
    for tag in TAGS:
        assert (await registry.get_manifest("a", tag)).content == MANIFEST
