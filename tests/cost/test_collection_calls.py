"""The storage calls of a collection in measured.toml, compared with those of real ones."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from registry_core.maintenance.gc import GcOptions, GcReport, collect
from registry_core.object_store.memory import MemoryStore
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import push_blob, push_image
from tests.support.counting import CountingStore
from tools.cost.measured import read_measured

pytestmark = pytest.mark.anyio

COST = read_measured().collection
NOW = timedelta(0)
AT_ONCE = GcOptions(grace=NOW, young=NOW)
NAMES = {"list_page": "list"}  # what the bill calls a method of the store


async def collected(memory: MemoryStore) -> tuple[GcReport, Counter[str]]:
    """Collect a container, and return the calls of the run by the names of the bill."""
    store = CountingStore(memory)
    report = await collect(store, Layout(), AT_ONCE, on_progress=lambda _: None)
    return report, Counter(NAMES.get(method, method) for method in store.take())


@pytest.mark.parametrize("images", [1, 5])
async def test_a_run_without_garbage_reads_each_manifest_once(images: int) -> None:
    memory = MemoryStore()
    for number in range(images):
        layers = [b"a layer", f"layer {number}".encode()]
        await push_image(StoredRegistry(memory), f"r{number % 2}", f"v{number}", layers)
    _, calls = await collected(memory)
    assert calls == Counter([*COST.run, *list(COST.each_manifest) * images])


async def test_each_object_that_is_garbage_is_marked_once_and_deleted_in_a_batch() -> None:
    """A blob that no manifest names is two: first the link goes, later the content."""
    memory = MemoryStore()
    registry = StoredRegistry(memory)
    await push_image(registry, "r", "v1", [b"a layer"])
    for number in range(7):
        await push_blob(registry, "r", f"blob {number}".encode())
    made, runs, deleted, report = Counter[str](), 0, 0, GcReport()
    while not runs or any(part.condemned or part.deleted for part in report.parts.values()):
        report, calls = await collected(memory)
        made += calls
        runs += 1
        deleted += sum(part.deleted for part in report.parts.values())
    assert deleted == 2 * 7
    for name in COST.each_garbage:
        assert made[name] == deleted
    for name in COST.each_batch:
        assert made[name] == 2  # one for the links, one for the content
    for name, number in Counter(COST.run).items():
        assert name == "list" or made[name] == number * runs


async def test_content_is_listed_twice_and_all_else_once() -> None:
    """In a container as `benchmarks.collection` makes it, 47 of 100 objects are content."""
    assert COST.listed == pytest.approx(2 * 0.47 + 0.53)
