"""Runs: in slices and passes, cut off, repeated, at the same time, and only described."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from registry_core.maintenance.gc import (
    GcOptions,
    GcReport,
    Usage,
    collect,
    latest_run,
    pardon_all,
    read_summary,
)
from registry_core.maintenance.gc.job import collect_if_due, describe
from registry_core.maintenance.gc.record import State
from registry_core.maintenance.gc.report import Action, Part, PartCount
from registry_core.object_store.errors import ContinuationInvalid, StoreError, StoreUnavailable
from registry_core.object_store.interface import Page
from registry_core.spec.digest import Digest
from tests.maintenance.examining import ignore_progress
from tests.support.content import CONFIG, image_index, image_manifest, push_blob, push_image
from tests.support.counting import CountingStore

from .scene import DAY, LAYOUT, OPTIONS, ClockStore, Scene

pytestmark = pytest.mark.anyio

UNTAGGED = timedelta(days=1)


async def fill(scene: Scene) -> None:
    """Fill five repositories: with images, garbage, an untagged index, uploads, an empty one."""
    for number in range(4):
        name = f"r{number}"
        await push_image(scene.registry, name, "v1", [b"shared", b"of %d" % number])
        await push_blob(scene.registry, name, b"garbage")
        await push_blob(scene.registry, name, b"garbage of %d" % number)
        manifest = image_manifest(b"untagged")
        await push_blob(scene.registry, name, b"untagged")
        await scene.push(manifest, repository=name)
        await scene.push(image_index(manifest), repository=name)
        await scene.store.put(LAYOUT.upload(name, "1"), b"upload")
    await scene.store.put(LAYOUT.catalog_marker("empty"), b"")
    await scene.registry.delete_manifest("r3", Digest.of(image_manifest(b"shared", b"of 3")))


def state(scene: Scene) -> dict[str, tuple[bytes, frozenset[str]]]:
    """Return all objects with the names of their metadata, except those of collections."""
    return {
        path: (each.content, frozenset(each.properties.metadata))
        for path, each in scene.store.objects.items()
        if "/_gc/" not in path and "/_trash/" not in path
    }


def counts(report: GcReport) -> dict[str, Any]:
    document = dict(report.to_json())
    parts = document["parts"]
    assert isinstance(parts, dict)
    parts.pop(Part.COLLECTIONS)
    return {"parts": parts, "usage": document["usage"]}


def acts(report: GcReport) -> list[PartCount]:
    """Return what a run did with each kind of object, whose numbers it changes meanwhile."""
    return [
        replace(count, examined=0)
        for part, count in report.parts.items()
        if part is not Part.COLLECTIONS
    ]


async def usage_of(scene: Scene) -> Usage:
    summary = await read_summary(scene.store, LAYOUT)
    assert summary is not None
    return summary.usage


async def run_in_slices(scene: Scene, **options: Any) -> tuple[GcReport, int]:
    """Do one run, each slice as short as it can be. Returns its report and their number."""
    for number in range(1, 200):
        report = await collect(
            scene.store,
            LAYOUT,
            replace(scene.options, **options),
            on_progress=ignore_progress,
            deadline=lambda: True,
        )
        if report.finished:
            return report, number
    raise AssertionError("the run does not end")


async def test_slices_end_as_one_run_does() -> None:
    whole, sliced = Scene(), Scene()
    for scene in (whole, sliced):
        await fill(scene)
    for _ in range(4):
        for scene in (whole, sliced):
            scene.pass_by()
        report = await whole.collect(untagged=UNTAGGED)
        in_slices, number = await run_in_slices(sliced, untagged=UNTAGGED)

        assert number > 4
        assert counts(in_slices) == counts(report)
        assert state(sliced) == state(whole)
    assert not [path for path in sliced.store.objects if path.startswith(LAYOUT.gc_marks)]


async def test_a_slice_goes_on_with_the_time_of_the_run(scene: Scene) -> None:
    await fill(scene)
    scene.pass_by()
    began = scene.store.now
    await collect(scene.store, LAYOUT, OPTIONS, on_progress=ignore_progress, deadline=lambda: True)
    scene.pass_by(DAY)

    report = await collect(scene.store, LAYOUT, OPTIONS, on_progress=ignore_progress)

    assert report.finished
    assert report.started == began


async def test_what_was_pushed_between_slices_stays(scene: Scene) -> None:
    """Its repository was walked before: nothing that is younger than the run is judged."""
    await fill(scene)
    for _ in range(2):
        scene.pass_by()
        await collect(
            scene.store, LAYOUT, OPTIONS, on_progress=ignore_progress, deadline=lambda: True
        )
    instance = scene.instance()
    await push_image(instance, "a-first", "v1", [b"garbage"])

    await run_in_slices(scene)
    scene.pass_by()
    await scene.collect()

    assert scene.has_content(image_manifest(b"garbage"), b"garbage", CONFIG)


@pytest.mark.parametrize("damage", ["marks", "checksum", "record", "json", "options", "old"])
async def test_a_run_that_cannot_be_continued_begins_anew(scene: Scene, damage: str) -> None:
    await fill(scene)
    scene.pass_by()
    first = await collect(
        scene.store, LAYOUT, OPTIONS, on_progress=ignore_progress, deadline=lambda: True
    )
    marks, record = LAYOUT.gc_mark(first.run), LAYOUT.gc_run(first.run)
    options = OPTIONS
    if damage == "marks":
        await scene.store.delete(marks)
    elif damage == "checksum":
        found = scene.store.objects[marks]
        scene.store.objects[marks] = replace(found, blocks={"": b"12345678"})
    elif damage in ("record", "json"):
        found, text = scene.store.objects[record], b'{"version": 1}'
        blocks = {"": text if damage == "record" else b"[" * 100_000}
        scene.store.objects[record] = replace(found, blocks=blocks)
    elif damage == "options":
        options = replace(OPTIONS, grace=DAY)
    else:
        long_ago = LAYOUT.gc_run("20200101T000000Z-0000000000000")
        scene.store.objects[long_ago] = scene.store.objects.pop(record)

    report = await collect(scene.store, LAYOUT, options, on_progress=ignore_progress)

    assert report.finished
    assert report.run != first.run
    assert report.parts[Part.CONTENT].examined > 0


async def test_of_two_collectors_that_continue_one_run_one_stops(scene: Scene) -> None:
    await fill(scene)
    scene.pass_by()
    first = await collect(
        scene.store, LAYOUT, OPTIONS, on_progress=ignore_progress, deadline=lambda: True
    )
    record = LAYOUT.gc_run(first.run)

    def another_continues() -> bool:
        found = scene.store.objects[record]
        properties = replace(found.properties, etag='"another"')
        scene.store.objects[record] = replace(found, properties=properties)
        return True

    second = await collect(
        scene.store, LAYOUT, OPTIONS, on_progress=ignore_progress, deadline=another_continues
    )

    assert not second.finished
    assert second.stopped == "another collection continues this run"


async def test_passes_end_as_one_pass_does() -> None:
    one, many = Scene(), Scene()
    for scene in (one, many):
        await fill(scene)
    await one.collect_all(untagged=UNTAGGED)
    await many.collect_all(untagged=UNTAGGED, table_limit=3)

    assert state(many) == state(one)
    assert (await usage_of(many)).to_json() == (await usage_of(one)).to_json()


async def test_passes_may_be_cut_into_slices() -> None:
    one, many = Scene(), Scene()
    for scene in (one, many):
        await fill(scene)
    for _ in range(4):
        for scene in (one, many):
            scene.pass_by()
        await one.collect(table_limit=3)
        _, number = await run_in_slices(many, table_limit=3)

        assert number > 16
        assert state(many) == state(one)
        assert (await usage_of(many)).to_json() == (await usage_of(one)).to_json()


@dataclass
class FailingStore(ClockStore):
    """A store whose listings fail from one on."""

    remaining: int = 10**6
    error: StoreError = field(default_factory=lambda: StoreUnavailable("storage is gone"))

    async def list_page(self, prefix: str, **options: Any) -> Page:
        if not self.remaining:
            raise self.error
        self.remaining -= 1
        return await super().list_page(prefix, **options)


@pytest.mark.parametrize("error", [StoreUnavailable("storage is gone"), ContinuationInvalid("x")])
async def test_a_listing_that_fails_ends_the_run(error: StoreError) -> None:
    """Nothing is deleted after it, and the next call begins another run."""
    for number in range(200):
        store = FailingStore(error=error, sparse_pages=True)
        scene = Scene(store)
        await fill(scene)
        scene.pass_by()
        await scene.collect()
        scene.pass_by()
        wanted = {path for path in scene.paths if path not in scene.condemned}
        store.remaining = number
        try:
            await scene.collect()
        except type(error):
            latest = await _latest(store)
            assert latest in (State.FAILED, None)
            assert scene.paths >= wanted - {path for path in wanted if "/_uploads/" in path}
        else:
            break
    assert 10 < number < 199


async def _latest(store: FailingStore) -> State | None:
    store.remaining = 10
    latest = await latest_run(store, LAYOUT)
    return latest.state if latest and latest.state is not State.FINISHED else None


async def test_a_failure_is_said_in_the_record() -> None:
    store = FailingStore()
    scene = Scene(store)
    await fill(scene)
    store.remaining = 3
    with pytest.raises(StoreUnavailable):
        await scene.collect()
    store.remaining = 10**6

    [path] = [path for path in store.objects if path.startswith(LAYOUT.gc_runs)]
    document = json.loads((await store.get(path, limit=2**20)).content)
    assert document["state"] == "failed"
    assert document["report"]["stopped"] == "storage is gone"
    assert (await scene.collect()).finished


# A dry run


async def test_a_dry_run_writes_nothing_and_says_what_the_run_does(scene: Scene) -> None:
    await fill(scene)
    for _ in range(4):
        scene.pass_by()
        before = dict(scene.store.objects)
        preview = await scene.collect(dry_run=True, untagged=UNTAGGED)
        after = dict(scene.store.objects)
        report = await scene.collect(untagged=UNTAGGED)

        assert after == before
        assert preview.started == report.started
        assert acts(preview) == acts(report)
        items = [item for item in report.items if item.part is not Part.COLLECTIONS]
        assert sorted(map(str, preview.items)) == sorted(map(str, items))


async def test_a_dry_run_says_what_goes_now_and_what_goes_when(scene: Scene) -> None:
    await push_blob(scene.registry, "a", b"old")
    scene.pass_by()
    await scene.collect()
    scene.pass_by()
    await push_blob(scene.registry, "a", b"new")
    scene.pass_by()

    report = await scene.collect(dry_run=True)

    links = {item.path: item for item in report.items if item.part is Part.LAYER_LINKS}
    old = links[LAYOUT.blob_link("a", Digest.of(b"old"))]
    new = links[LAYOUT.blob_link("a", Digest.of(b"new"))]
    assert (old.action, old.due) == (Action.DELETE, "")
    assert (new.action, new.due) == (Action.CONDEMN, "2026-01-12T00:00:00+00:00")
    assert old.reason == new.reason == "no manifest of the repository names it"


async def test_a_dry_run_of_an_empty_container_finds_nothing(scene: Scene) -> None:
    report = await scene.collect(dry_run=True)

    assert not report.items
    assert not scene.store.objects


# Reports


async def test_a_report_can_be_written_and_read(scene: Scene) -> None:
    await fill(scene)
    scene.pass_by()
    report = await scene.collect(untagged=UNTAGGED)

    text = json.dumps(report.to_json())

    assert GcReport.of_json(json.loads(text)) == report


async def test_the_summary_says_what_the_container_holds(scene: Scene) -> None:
    await push_image(scene.registry, "a", "v1", [b"12345"])
    await push_image(scene.registry, "b", "v1", [b"12345", b"123"])
    await push_image(scene.registry, "b", "v2", [b"trash!!"])
    await scene.registry.delete_manifest("b", Digest.of(image_manifest(b"trash!!")))
    await scene.store.put(LAYOUT.content(Digest.of(b"garbage")), b"garbage")
    scene.pass_by()
    await scene.collect()

    summary = await read_summary(scene.store, LAYOUT)

    assert summary is not None
    usage = summary.usage
    one, two, three = (
        image_manifest(b"12345"),
        image_manifest(b"12345", b"123"),
        image_manifest(b"trash!!"),
    )
    assert usage.repositories["a"].bytes == 5 + len(CONFIG) + len(one)
    assert usage.repositories["b"].bytes == 5 + 3 + 7 + len(CONFIG) + len(two)
    assert (usage.tags, usage.manifests) == (2, 2)
    total = 5 + 3 + 7 + 7 + sum(map(len, (CONFIG, one, two, three)))
    assert (usage.content.number, usage.content.bytes) == (8, total)
    assert (usage.garbage.number, usage.garbage.bytes) == (1, 7)
    assert (usage.condemned.number, usage.condemned.bytes) == (1, 7)
    assert (usage.trash.number, usage.trash.bytes) == (1, len(three))


async def test_without_a_finished_run_there_is_no_summary(scene: Scene) -> None:
    assert await read_summary(scene.store, LAYOUT) is None
    started = b'{"version": 1, "run": "1", "started": "2026-01-01", "by_repository": []}'
    for damaged in (b"[" * 100_000, started, b"[]"):
        await scene.store.put(LAYOUT.gc_summary, damaged)
        assert await read_summary(scene.store, LAYOUT) is None


# Pardon


async def test_all_marks_can_be_taken_off(scene: Scene) -> None:
    await fill(scene)
    scene.pass_by()
    before = state(scene)
    await scene.collect(untagged=UNTAGGED)
    condemned = scene.condemned

    number = await pardon_all(scene.store, LAYOUT, on_progress=ignore_progress)

    assert number == len(condemned) > 10
    assert not scene.condemned
    assert {path: before[path] for path in condemned} == {
        path: each for path, each in state(scene).items() if path in condemned
    }


# The job


async def test_the_job_begins_a_run_a_day_after_the_last() -> None:
    scene = Scene()
    first = await collect_if_due(scene.store, LAYOUT, OPTIONS)
    calls = CountingStore(scene.store)

    second = await collect_if_due(calls, LAYOUT, OPTIONS)

    assert first is not None
    assert first.finished
    assert second is None
    assert calls.take() == ["list_page"]


async def test_the_job_continues_what_is_unfinished(scene: Scene) -> None:
    await fill(scene)
    first = await collect_if_due(scene.store, LAYOUT, OPTIONS, limit=timedelta(0))

    second = await collect_if_due(scene.store, LAYOUT, OPTIONS)

    assert first is not None
    assert second is not None
    assert not first.finished
    assert second.finished
    assert second.run == first.run


def test_the_job_says_in_one_line_what_it_has_done() -> None:
    report = GcReport("1", finished=True, opaque={"a": "it is damaged"}, unswept="shared")
    report.parts[Part.CONTENT].deleted_bytes = 5
    report.parts[Part.UPLOADS].deleted = 2

    text = describe(report)

    assert text == (
        "garbage collection 1, finished: condemned 0 objects, deleted 2, freed 5 bytes of content; "
        "shared; 1 repositories are not judged: run doctor"
    )


def test_the_defaults_are_those_of_the_documentation() -> None:
    options = GcOptions()

    assert (options.grace, options.young) == (2 * DAY, DAY)
    assert (options.upload_age, options.trash_age) == (7 * DAY, 14 * DAY)
    assert options.untagged is None
    assert options.shared is None
