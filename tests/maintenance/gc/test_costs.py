"""What a run costs: storage calls and memory."""

from __future__ import annotations

import tracemalloc
from collections import Counter

import pytest

from registry_core.maintenance.gc.content import list_content
from registry_core.maintenance.gc.report import MAX_ITEMS, Action, GcReport, Item, Part
from registry_core.spec.digest import Digest
from tests.support.content import push_blob, push_image
from tests.support.counting import CountingStore

from .scene import LAYOUT, Scene

pytestmark = pytest.mark.anyio

# Content twice, the trash twice, repositories, and eight folders; the record with its time, the
# usage, and the record once more.
FIXED = Counter({"list_page": 13, "put": 3, "head": 1})


async def count(scene: Scene, **options: object) -> Counter[str]:
    calls = CountingStore(scene.store)
    await scene.collect(calls, **options)
    return Counter(calls.take())


async def test_a_run_of_an_empty_container(scene: Scene) -> None:
    assert await count(scene) == FIXED


async def test_a_manifest_is_one_get_once_and_what_it_needs_is_none(scene: Scene) -> None:
    """Later, all that a repository's manifests name is one."""
    for number in range(10):
        await push_image(scene.registry, "a", f"v{number}", [b"%d" % number, b"x"])
    scene.pass_by()

    first = await count(scene)
    second = await count(scene)
    await push_image(scene.registry, "a", "new", [b"new"])
    third = await count(scene)

    once = Counter({"get": 1})
    assert first == FIXED + Counter({"get": 10}) + once + Counter({"put": 1})
    assert second == FIXED + once
    assert third == FIXED + once + Counter({"get": 1, "put": 1})


async def test_a_few_manifests_are_read_in_each_run(scene: Scene) -> None:
    for number in range(3):
        await push_image(scene.registry, "a", f"v{number}", [b"%d" % number])

    for _ in range(2):
        assert await count(scene) == FIXED + Counter({"get": 3})


async def test_garbage_is_one_call_to_condemn_and_less_than_one_to_delete(scene: Scene) -> None:
    for number in range(300):
        await push_blob(scene.registry, "a", b"%d" % number)
    scene.pass_by()
    again = Counter({"list_page": 1})  # the repository's links, for the latest rows

    links = await count(scene)
    scene.pass_by()
    swept = await count(scene)
    contents = await count(scene)

    assert links == FIXED + again + Counter({"set_metadata": 300})
    assert swept == FIXED + again + Counter({"delete_batch": 2})
    assert contents == FIXED + Counter({"set_metadata": 300})


async def test_to_look_for_another_registry_is_one_listing_more(scene: Scene) -> None:
    assert await count(scene, shared=None) == FIXED + Counter({"list_page": 1})


async def test_a_link_of_another_registry_is_read_if_its_path_says_too_little(scene: Scene) -> None:
    digest = Digest.of(b"x")
    await scene.store.put(LAYOUT.content(digest), b"x")
    for path in (
        LAYOUT.blob_link("a", digest),
        LAYOUT.blob_link("a", Digest.of(b"x", "sha512")),
        LAYOUT.tag_link("a", "v1"),
    ):
        await scene.store.put(path, str(digest).encode())

    assert (await count(scene))["get"] == 2


async def test_a_record_of_a_deletion_is_one_get(scene: Scene) -> None:
    await push_blob(scene.registry, "a", b"x")
    await scene.registry.delete_blob("a", Digest.of(b"x"))
    scene.pass_by()

    assert await count(scene) == FIXED + Counter({"get": 1})


async def test_a_digest_in_memory_takes_little(scene: Scene) -> None:
    number = 20_000
    for each in range(number):
        content = b"%d" % each
        await scene.store.put(LAYOUT.content(Digest.of(content)), content)
    tracemalloc.start()
    table = await list_content(scene.store, LAYOUT, "", number)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(table) == number
    assert used < 50 * number + 2**19


def test_a_report_keeps_so_many_items() -> None:
    report = GcReport()
    for number in range(MAX_ITEMS + 5):
        report.add(Item(Part.CONTENT, Action.DELETE, str(number), "reason"))

    assert len(report.items) == MAX_ITEMS
    assert report.items_left_out == 5
