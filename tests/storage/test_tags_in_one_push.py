"""Several tags in one push, when storage takes some of them and not the others."""

import pytest

from registry_core.object_store.interface import StoreUnavailable
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


async def test_a_push_that_could_not_set_every_tag_is_an_error_and_can_be_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No tag points to what is not there, and the same push again sets them all."""
    memory = MemoryStore()
    registry = StoredRegistry(memory)
    await push_blob(registry, "a", CONFIG)
    put, out_of_reach = memory.put, Layout().tag_link("a", TAGS[4])

    async def put_unless_out_of_reach(path: str, *args: object, **kwargs: object) -> object:
        if path == out_of_reach:
            raise StoreUnavailable("storage is away")
        return await put(path, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(memory, "put", put_unless_out_of_reach)
    with pytest.raises(StoreUnavailable) as error:
        await push_manifest(registry, "a", DIGEST, MANIFEST, tags=TAGS)
    assert error.value.code is ErrorCode.UNAVAILABLE
    assert (await registry.get_manifest("a", DIGEST)).content == MANIFEST

    monkeypatch.undo()
    await push_manifest(registry, "a", DIGEST, MANIFEST, tags=TAGS)
    for tag in TAGS:
        assert (await registry.get_manifest("a", tag)).content == MANIFEST
