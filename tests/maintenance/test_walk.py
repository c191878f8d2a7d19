"""The walk over a container."""

from __future__ import annotations

from typing import Any

import pytest

from registry_core.maintenance.walk import ListedBlocks, ListedObject, Progress, walk
from registry_core.object_store.interface import Page
from registry_core.object_store.memory import MemoryStore
from registry_core.storage.layout import Layout
from registry_core.storage.layout_parse import Kind, parse_path
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import push_image
from tests.support.counting import CountingStore

from .examining import ignore_progress, stage

pytestmark = pytest.mark.anyio

LAYOUT = Layout()


async def test_every_object_comes_with_its_parsed_path_and_metadata(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_image(registry, "a", "v1", [b"layer"])
    items = [item async for item in walk(memory, "", ignore_progress)]
    assert [item.path for item in items] == sorted(memory.objects)
    for item in items:
        assert isinstance(item, ListedObject)
        assert item.properties == memory.objects[item.path].properties
    kinds = [item.place.kind for item in items]
    assert kinds[:4] == [Kind.MARKER, Kind.CONTENT, Kind.CONTENT, Kind.CONTENT]
    assert {item.place.repository for item in items[4:]} == {"a"}


async def test_blocks_that_nobody_committed_are_walked_too(memory: MemoryStore) -> None:
    path = LAYOUT.upload("a", "an-id")
    await stage(memory, path)
    [item] = [item async for item in walk(memory, "", ignore_progress)]
    assert item == ListedBlocks(path, parse_path(path))


async def test_objects_outside_the_prefix_are_left_out(memory: MemoryStore) -> None:
    for root in ("", "/"):
        await memory.put(Layout(root).catalog_marker("a"), b"")
    items = [item async for item in walk(memory, Layout("/").base, ignore_progress)]
    assert [item.place.root for item in items] == ["/"]


async def test_the_links_of_a_repository_come_together(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """Also where the names of other repositories sort between its folders."""
    for name in ("a", "a/1", "a/b", "a-b", "a.b", "a_b", "ab"):
        await push_image(registry, name, "v1", [b"layer"])
    names = [
        item.place.repository
        async for item in walk(memory, "", ignore_progress)
        if item.place.kind not in (Kind.MARKER, Kind.CONTENT)
    ]
    runs = [name for name, previous in zip(names, ["", *names], strict=False) if name != previous]
    assert len(runs) == len(set(runs)) == 7


async def test_progress_is_reported_once_per_thousand_objects(memory: MemoryStore) -> None:
    for number in range(2001):
        await memory.put(f"{number:04}", b"")
    reported: list[Progress] = []
    assert len([item async for item in walk(memory, "", reported.append)]) == 2001
    assert [progress.done for progress in reported] == [1, 1001, 2001]
    assert {(item.stage, item.total, item.unit) for item in reported} == {
        ("listing", None, "objects")
    }


async def test_every_page_of_the_listing_is_walked(memory: MemoryStore) -> None:
    class SmallPages(CountingStore):
        async def list_page(self, prefix: str, **options: Any) -> Page:
            return await super().list_page(prefix, **options | {"limit": 2})

    for number in range(5):
        await memory.put(str(number), b"")
    store = SmallPages(memory)
    items = [item async for item in walk(store, "", ignore_progress)]
    assert [item.path for item in items] == ["0", "1", "2", "3", "4"]
    assert store.take() == ["list_page"] * 3
