"""What an examination counts, which registries it finds, and how it ends."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from registry_core.maintenance.doctor import (
    DoctorOptions,
    DoctorReport,
    Finding,
    Problem,
    examine,
)
from registry_core.maintenance.doctor.examination import UploadAges
from registry_core.maintenance.doctor.report import MAX_FINDINGS, BlockCount, UploadCount
from registry_core.maintenance.walk import ListedObject, Progress
from registry_core.object_store.interface import Page, Properties
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.storage.layout import Layout
from registry_core.storage.layout_parse import Kind, parse_path
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import CONFIG, image_manifest, push_blob, push_image
from tests.support.counting import CountingStore
from tests.support.host import PROJECT

from .examining import (
    examine_store,
    expect_problems,
    expect_repaired,
    expect_unrepairable,
    ignore_progress,
    stage,
)

pytestmark = pytest.mark.anyio

LAYOUT = Layout()


async def test_an_empty_container_is_healthy(memory: MemoryStore) -> None:
    document = (await expect_problems(memory)).to_json()
    assert (document["empty"], document["healthy"]) == (True, True)


async def test_everything_is_counted_by_kind(memory: MemoryStore, registry: StoredRegistry) -> None:
    manifest = await push_image(registry, "a/b", "v1", [b"layer"])
    await push_image(registry, "a/b", "v2", [b"layer"])
    await push_image(registry, "a-b", "v1", [b"other"])
    await push_blob(registry, "blobs/only", b"nothing names it")
    await registry.delete_blob("blobs/only", Digest.of(b"nothing names it"))
    await memory.put(LAYOUT.upload("a/b", "an-id"), b"12345")
    await memory.put(LAYOUT.personal_key("ci"), b"{}")
    await memory.append("notes.txt", b"not ours")
    report = await expect_problems(memory)
    counts = {kind: count.block for kind, count in report.objects.items()}
    assert counts == {
        Kind.CONTENT: 6,
        Kind.LAYER_LINK: 4,
        Kind.REVISION_LINK: 2,
        Kind.TAG_LINK: 3,
        Kind.INDEX_LINK: 3,
        Kind.REFERRER: 0,
        Kind.MARKER: 2,
        Kind.UPLOAD: 1,
        Kind.REPLACEMENT: 0,
        Kind.QUARANTINED: 0,
        Kind.PERSONAL_KEY: 1,
        Kind.COLLECTION: 0,
        Kind.TRASHED: 1,
        Kind.PULLS: 0,
        Kind.UNKNOWN: 0,
    }
    assert report.objects[Kind.UNKNOWN].append == 1
    assert (report.repositories, report.manifests, report.tags) == (2, 2, 3)
    assert report.objects[Kind.CONTENT].bytes == (
        len(CONFIG) + 2 * len(b"layer") + 2 * manifest.size + len(b"nothing names it")
    )
    assert (report.trashed.number, report.trashed.bytes) == (1, 16)
    assert report.unreferenced.number == 0
    assert (report.uploads.number, report.uploads.left_behind) == (1, 0)


async def test_blocks_that_nobody_committed_are_counted_by_kind(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """Storage bills them, and lists only those without an object."""
    pushed = await push_image(registry, "a", "v1", [b"layer"])
    await stage(memory, LAYOUT.content(Digest.of(b"absent")), b"12", b"345")
    await stage(memory, LAYOUT.content(Digest.of(b"absent as well")), b"6")
    await stage(memory, LAYOUT.upload("a", "an-id"), b"7890")
    await stage(memory, "foreign", b"1")
    absent = {
        Kind.CONTENT: BlockCount(paths=2, blocks=3, bytes=6),
        Kind.UPLOAD: BlockCount(paths=1, blocks=1, bytes=4),
        Kind.UNKNOWN: BlockCount(paths=1, blocks=1, bytes=1),
    }
    store = CountingStore(memory)
    report = await expect_problems(store)
    assert report.uncommitted == absent
    assert store.take().count("uncommitted_blocks") == 4
    await stage(memory, LAYOUT.content(Digest.of(b"layer")), b"over content")
    await stage(memory, LAYOUT.content(pushed.digest), b"over a manifest")
    assert (await expect_problems(memory)).uncommitted == absent
    report = await expect_problems(memory, verify=True)
    assert report.uncommitted[Kind.CONTENT] == BlockCount(paths=4, blocks=5, bytes=33)
    assert report.to_json()["uncommitted"] == {
        "content": {"paths": 4, "blocks": 5, "bytes": 33},
        "unknown": {"paths": 1, "blocks": 1, "bytes": 1},
        "uploads": {"paths": 1, "blocks": 1, "bytes": 4},
    }


def test_an_upload_that_nobody_continued_for_a_week_counts_as_left_behind() -> None:
    """An upload of CNCF distribution is several objects; the youngest counts."""
    now = datetime.now(UTC)
    count = UploadCount()
    ages = UploadAges(count, now)
    for upload, object_ages in (("one", (30, 1)), ("two", (9, 8))):
        for number, days in enumerate(object_ages):
            path = f"{LAYOUT.repository('a')}/_uploads/{upload}/part-{number}"
            properties = Properties("", 1, now - timedelta(days=days))
            ages.add(ListedObject(path, parse_path(path), properties))
    ages.finish()
    assert (count.number, count.left_behind) == (2, 1)
    assert count.oldest == timedelta(days=8).total_seconds()


@pytest.mark.parametrize("root", ["", "/", "a/folder/"])
async def test_every_form_of_names_is_recognized(memory: MemoryStore, root: str) -> None:
    """A registry in a folder is served only if a setting names it."""
    registry = StoredRegistry(memory, root=root)
    await push_image(registry, "a", "v1", [b"layer"])
    if root.startswith("a"):
        await expect_unrepairable(memory, Problem.NOT_SERVED)
    report = await expect_problems(memory, root=root)
    assert (report.roots, report.tags) == ([root], 1)


async def test_two_registries_are_not_repaired_until_a_setting_names_one(
    memory: MemoryStore,
) -> None:
    for root in ("", "/"):
        await push_image(StoredRegistry(memory, root=root), "a", "v1", [b"layer"])
        await memory.delete(Layout(root).catalog_marker("a"))
    before = dict(memory.objects)
    report = await examine_store(memory, repair=True, root_setting="THE_SETTING")
    assert report.found == {Problem.TWO_REGISTRIES: 1, Problem.MARKER_MISSING: 2}
    assert "THE_SETTING" in report.findings[0].message
    assert memory.objects == before
    await expect_repaired(memory, Problem.MARKER_MISSING, root="/")


async def test_nothing_is_written_without_repair(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_image(registry, "a", "v1", [b"layer"])
    for path in list(memory.objects):
        if path.endswith("/link"):
            content = memory.objects.pop(path).content
            await memory.append(path, content)
    before = dict(memory.objects)
    report = await examine_store(memory, verify=True)
    assert report.found == {Problem.LINK_APPEND: 5}
    assert memory.objects == before


async def test_a_push_between_two_pages_of_the_listing_is_not_a_problem(
    memory: MemoryStore,
) -> None:
    """Content is listed before links: the content of what was pushed meanwhile seems missing."""
    registry = StoredRegistry(memory)
    await push_image(registry, "a", "v1", [b"layer"])

    class PushesMeanwhile(CountingStore):
        async def list_page(self, prefix: str, **options: Any) -> Page:
            page = await super().list_page(prefix, **options | {"limit": 4})
            if not prefix and not options["continuation"]:
                await push_image(registry, "b", "v1", [b"pushed meanwhile"])
            return page

    report = await examine_store(PushesMeanwhile(memory))
    assert not report.found, report.findings
    assert report.repositories == 2


def test_everything_that_a_report_may_contain_is_documented() -> None:
    page = (PROJECT / "docs" / "doctor.md").read_text()
    for problem in Problem:
        assert f"\n| `{problem}` | " in page, problem
    finding = Finding(Problem.ARCHIVED, "", "").to_json()
    for name in (*Kind, *DoctorReport().to_json(), *finding):
        assert f"`{name}`" in page, name


def test_findings_beyond_the_limit_are_counted() -> None:
    report = DoctorReport()
    for number in range(MAX_FINDINGS + 5):
        report.add(Finding(Problem.TAG_TORN, str(number), "torn"))
    document = report.to_json()
    assert document["findings_left_out"] == 5
    assert document["problems"] == {"tag-torn": {"found": MAX_FINDINGS + 5, "repaired": 0}}
    json.dumps(document)


async def test_a_write_in_progress_is_completed_when_the_examination_is_cancelled(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """The report includes it, and nothing is half done."""
    await push_image(registry, "a", "v1", [b"layer"])
    path = LAYOUT.tag_link("a", "v1")
    content = memory.objects.pop(path).content
    await memory.append(path, content)
    deleted = asyncio.Event()

    class Slow(CountingStore):
        async def delete(self, path: str, **options: Any) -> None:
            await super().delete(path, **options)
            deleted.set()
            await asyncio.sleep(0.05)

    report = DoctorReport()
    options = DoctorOptions(repair=True, grace=timedelta(0))
    task = asyncio.create_task(examine(Slow(memory), report, options, ignore_progress))
    await deleted.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert report.repaired == {Problem.LINK_APPEND: 1}
    await expect_problems(memory)


async def test_progress_is_reported(memory: MemoryStore, registry: StoredRegistry) -> None:
    await push_image(registry, "a", "v1", [b"layer"])
    reported: list[Progress] = []
    await examine(memory, DoctorReport(), DoctorOptions(verify=True), reported.append)
    total = len(CONFIG) + len(b"layer") + len(image_manifest(b"layer"))
    verifying = [progress for progress in reported if progress.stage == "verifying"]
    assert verifying[-1] == Progress("verifying", total, total, "bytes")
    assert [progress.stage for progress in reported[:1] + reported[-1:]] == ["listing"] * 2


async def test_a_marker_stays_if_the_first_page_of_manifests_is_empty() -> None:
    """The manifest was pushed since the listing."""

    class PushedSince(MemoryStore):
        async def list_page(self, prefix: str, **options: Any) -> Page:
            page = await super().list_page(prefix, **options)
            return page if prefix.endswith("/revisions/") else without_repositories(page)

    def without_repositories(page: Page) -> Page:
        entries = [entry for entry in page.entries if "/repositories/" not in entry.path]
        return Page(entries, page.continuation)

    memory = PushedSince(sparse_pages=True)
    await push_image(StoredRegistry(memory), "a", "v1", [b"first"])
    await expect_problems(memory)
