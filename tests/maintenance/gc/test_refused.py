"""What storage does not permit to be deleted stays, and keeps nothing else from going."""

from __future__ import annotations

from datetime import timedelta

import pytest

from registry_core.maintenance.gc.report import Part
from registry_core.object_store.errors import StoreRefused
from registry_core.object_store.interface import UNCONDITIONAL, Condition, StoredObject
from registry_core.spec.digest import Digest

from .images import EXPIRING, UNTAGGED, link_of, push_image
from .scene import LAYOUT, ClockStore, Scene

pytestmark = pytest.mark.anyio


class HoldingStore(ClockStore):
    """A store in which one object is archived, or under a legal hold."""

    held = ""

    async def get(
        self, path: str, *, limit: int, condition: Condition = UNCONDITIONAL
    ) -> StoredObject:
        if path == self.held and "/blobs/" in path:
            raise StoreRefused(f"{path} is archived")
        return await super().get(path, limit=limit, condition=condition)

    async def delete(self, path: str, *, condition: Condition = UNCONDITIONAL) -> None:
        if path == self.held:
            raise StoreRefused(f"{path} is under a legal hold")
        await super().delete(path, condition=condition)


@pytest.mark.parametrize("kind", ["link", "archived"])
async def test_a_manifest_that_storage_holds_keeps_no_other_from_going(kind: str) -> None:
    """It was read before: a record has what it names."""
    store = HoldingStore()
    scene = Scene(store)
    images = [await push_image(scene, number) for number in range(5)]
    scene.pass_by(timedelta(days=10))
    await scene.collect(untagged=UNTAGGED)
    store.held = link_of(images[0]) if kind == "link" else LAYOUT.content(Digest.of(images[0]))
    scene.pass_by()

    report = await scene.collect(untagged=UNTAGGED)

    assert report.refused == [link_of(images[0])]
    assert report.parts[Part.MANIFESTS].deleted == 4
    assert [each.digest async for each in scene.registry.trash.list()].count(
        Digest.of(images[0])
    ) == 0


async def test_a_tag_that_storage_holds_keeps_no_other_from_going() -> None:
    store = HoldingStore()
    scene = Scene(store)
    await push_image(scene, 1, "pr-1")
    await push_image(scene, 2, "pr-2")
    store.held = LAYOUT.tag_link("a", "pr-1")
    scene.pass_by(timedelta(days=10))

    report = await scene.collect(policy=EXPIRING)

    assert report.refused == [store.held]
    assert report.parts[Part.TAGS].deleted == 1
    assert [each.tags async for each in scene.registry.trash.list()] == [("pr-2",)]
