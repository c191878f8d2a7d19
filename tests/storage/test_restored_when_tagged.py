"""A deletion brings back a manifest that a push, which failed, has tagged meanwhile."""

import pytest

from registry_core.object_store.interface import UNCONDITIONAL, Condition
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.storage.condemnation import condemn, is_condemned
from registry_core.storage.layout import Layout
from registry_core.storage.links import Link, put_link
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import image_manifest, push_image

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
LAYER = b"a layer"
MANIFEST = Digest.of(image_manifest(LAYER))
REVISION = LAYOUT.revision_link("a", MANIFEST)


class Tagging(MemoryStore):
    """A store in which a tag appears while the revision link is deleted."""

    async def delete(self, path: str, *, condition: Condition = UNCONDITIONAL) -> None:
        await super().delete(path, condition=condition)
        if path == REVISION:
            await put_link(self, LAYOUT.tag_link("a", "v2"), Link(MANIFEST))


async def test_what_it_needs_is_observed() -> None:
    store = Tagging()
    registry = StoredRegistry(store)
    await push_image(registry, "a", MANIFEST, [LAYER])
    path = LAYOUT.blob_link("a", Digest.of(LAYER))
    assert await condemn(store, path, await store.head(path), "a-run")

    await registry.delete_manifest("a", MANIFEST)

    assert REVISION in store.objects
    assert not is_condemned(await store.head(path))
