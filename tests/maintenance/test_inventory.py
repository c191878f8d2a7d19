"""What the doctor counts, which registries it finds in a container, and how it stops."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from registry_core.maintenance.doctor import Finding, Options, Progress, Report, Trouble, examine
from registry_core.maintenance.doctor.digest_table import DigestTable
from registry_core.maintenance.doctor.report import MOST_FINDINGS
from registry_core.maintenance.doctor.uploads import UploadCount
from registry_core.object_store.interface import Page, Properties
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.storage.layout import Layout
from registry_core.storage.layout_parse import Kind, parse_path
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import CONFIG, image_manifest, push_blob, push_image
from tests.support.counting import CountingStore

from .looking import cure, expect, ignore, leave, look

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
DIGESTS = [Digest.of(b"a"), Digest.of(b"a", "sha512")]


async def test_an_empty_container_is_healthy(memory: MemoryStore) -> None:
    document = (await expect(memory)).to_json()
    assert (document["empty"], document["healthy"]) == (True, True)


async def test_everything_is_counted_by_kind(memory: MemoryStore, registry: StoredRegistry) -> None:
    manifest = await push_image(registry, "a/b", "v1", [b"layer"])
    await push_image(registry, "a/b", "v2", [b"layer"])
    await push_image(registry, "a-b", "v1", [b"other"])
    await push_blob(registry, "blobs/only", b"nothing names it")
    await registry.delete_blob("blobs/only", Digest.of(b"nothing names it"))
    await memory.put(LAYOUT.upload("a/b", "an-id"), b"12345")
    await memory.put(LAYOUT.personal_key("ci"), b"{}")
    await memory.append("notes.txt", b"of somebody")
    report = await expect(memory)
    counts = {kind: tally.block for kind, tally in report.objects.items()}
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
        Kind.PERSONAL_KEY: 1,
        Kind.UNKNOWN: 0,
    }
    assert report.objects[Kind.UNKNOWN].append == 1
    assert (report.repositories, report.manifests, report.tags) == (2, 2, 3)
    assert report.objects[Kind.CONTENT].bytes == (
        len(CONFIG) + 2 * len(b"layer") + 2 * manifest.size + len(b"nothing names it")
    )
    assert (report.unreferenced.number, report.unreferenced.bytes) == (1, 16)
    assert (report.uploads.number, report.uploads.left_behind) == (1, 0)


def test_an_upload_is_left_behind_when_nothing_came_for_a_week() -> None:
    """Those of CNCF distribution are several objects; the youngest tells."""
    now = datetime.now(UTC)
    report = Report()
    count = UploadCount(report.uploads, now)
    for upload, ages in (("one", (30, 1)), ("two", (9, 8))):
        for number, days in enumerate(ages):
            path = f"{LAYOUT.repository('a')}/_uploads/{upload}/part-{number}"
            count.take(parse_path(path), Properties("", 1, now - timedelta(days=days)))
    count.finish()
    assert (report.uploads.number, report.uploads.left_behind) == (2, 1)
    assert report.uploads.oldest == timedelta(days=8).total_seconds()


@pytest.mark.parametrize("root", ["", "/", "a/folder/"])
async def test_every_form_of_names_is_recognized(memory: MemoryStore, root: str) -> None:
    """A folder has to be named to be served."""
    registry = StoredRegistry(memory, root=root)
    await push_image(registry, "a", "v1", [b"layer"])
    if root.startswith("a"):
        await leave(memory, Trouble.NOT_SERVED)
    report = await expect(memory, root=root)
    assert (report.roots, report.tags) == ([root], 1)


async def test_of_two_registries_none_is_repaired_until_one_is_named(memory: MemoryStore) -> None:
    for root in ("", "/"):
        await push_image(StoredRegistry(memory, root=root), "a", "v1", [b"layer"])
        await memory.delete(Layout(root).catalog_marker("a"))
    before = dict(memory.objects)
    report = await look(memory, repair=True, setting="THE_SETTING")
    assert report.found == {Trouble.TWO_REGISTRIES: 1, Trouble.MARKER_MISSING: 2}
    assert "THE_SETTING" in report.findings[0].says
    assert memory.objects == before
    await cure(memory, Trouble.MARKER_MISSING, root="/")


async def test_nothing_is_written_without_being_asked_to(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    await push_image(registry, "a", "v1", [b"layer"])
    for path in list(memory.objects):
        if path.endswith("/link"):
            content = memory.objects.pop(path).content
            await memory.append(path, content)
    before = dict(memory.objects)
    report = await look(memory, verify=True)
    assert report.found == {Trouble.LINK_APPEND: 5}
    assert memory.objects == before


async def test_a_push_between_the_listings_pages_is_no_finding(memory: MemoryStore) -> None:
    """Content is listed before links: what was pushed meanwhile seems to lack it."""
    registry = StoredRegistry(memory)
    await push_image(registry, "a", "v1", [b"layer"])

    class Busy(CountingStore):
        async def list_page(self, prefix: str, **options: Any) -> Page:
            page = await super().list_page(prefix, **options | {"limit": 4})
            if not prefix and not options["continuation"]:
                await push_image(registry, "b", "v1", [b"pushed meanwhile"])
            return page

    report = await look(Busy(memory))
    assert not report.found, report.findings
    assert report.repositories == 2


def test_findings_beyond_those_that_are_kept_are_counted() -> None:
    report = Report()
    for number in range(MOST_FINDINGS + 5):
        report.add(Finding(Trouble.TAG_TORN, str(number), "torn"))
    document = report.to_json()
    assert document["findings_left_out"] == 5
    assert document["problems"] == {"tag-torn": {"found": MOST_FINDINGS + 5, "repaired": 0}}
    json.dumps(document)


async def test_a_write_under_way_is_finished_when_it_is_stopped(
    memory: MemoryStore, registry: StoredRegistry
) -> None:
    """The report has it, and nothing is half done."""
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

    report = Report()
    options = Options(repair=True, grace=timedelta(0))
    task = asyncio.create_task(examine(Slow(memory), report, options, ignore))
    await deleted.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert report.repaired == {Trouble.LINK_APPEND: 1}
    await expect(memory)


async def test_it_tells_how_far_it_is(memory: MemoryStore, registry: StoredRegistry) -> None:
    await push_image(registry, "a", "v1", [b"layer"])
    told: list[Progress] = []
    await examine(memory, Report(), Options(verify=True), told.append)
    total = len(CONFIG) + len(b"layer") + len(image_manifest(b"layer"))
    assert told[-1] == Progress("verifying", total, total, "bytes")


def test_a_digest_is_found_in_a_table_of_both_algorithms() -> None:
    table = DigestTable()
    digests = sorted(Digest.of(bytes([n]), a) for n in range(200) for a in ("sha256", "sha512"))
    for number, digest in enumerate(digests[:-1]):
        table.add(digest, number)
    table.mark(digests[7])
    assert list(table) == digests[:-1]
    assert [table.number(digest) for digest in digests] == [*range(399), None]
    assert [digest for digest, _, marked in table.rows() if marked] == [digests[7]]
    assert digests[0] in table
    assert digests[-1] not in table
    with pytest.raises(ValueError, match="not in order"):
        table.add(digests[0])


@pytest.mark.parametrize("root", ["", "/", "a/docker/"])
@pytest.mark.parametrize("digest", DIGESTS)
def test_every_path_of_the_layout_is_parsed_back(root: str, digest: Digest) -> None:
    layout, name, subject = Layout(root), "a/b-c", Digest.of(b"subject")
    paths = {
        layout.content(digest): Kind.CONTENT,
        layout.blob_link(name, digest): Kind.LAYER_LINK,
        layout.revision_link(name, digest): Kind.REVISION_LINK,
        layout.tag_link(name, "v1.0"): Kind.TAG_LINK,
        layout.tag_index_link(name, "v1.0", digest): Kind.INDEX_LINK,
        layout.referrer_link(name, subject, digest): Kind.REFERRER,
        layout.upload(name, "id"): Kind.UPLOAD,
        layout.catalog_marker(name): Kind.MARKER,
        layout.replacing("id"): Kind.REPLACEMENT,
        layout.personal_key("ci"): Kind.PERSONAL_KEY,
    }
    for path, kind in paths.items():
        place = parse_path(path)
        assert (place.kind, place.root) == (kind, root)
        assert place.digest in (None, digest)
        assert place.subject in (None, subject)
        assert place.tag in ("", "v1.0")
        assert place.repository in ("", name)
    assert set(paths.values()) == set(Kind) - {Kind.UNKNOWN}
    assert [k for path, k in paths.items() if path.startswith(layout.uploads)] == [Kind.UPLOAD]


@pytest.mark.parametrize(
    "path",
    [
        "a file",
        "docker/registry/v2/",
        "xdocker/registry/v2/_catalog/a",
        LAYOUT.content(DIGESTS[0]).replace("data", "date"),
        LAYOUT.content(DIGESTS[0]).replace("sha256", "sha512"),
        LAYOUT.content(DIGESTS[0]).replace("/ca/", "/cb/"),
        LAYOUT.blob_link("A", DIGESTS[0]),
        LAYOUT.blob_link("a", DIGESTS[0]) + "s",
        LAYOUT.tag_link("a", "-"),
        LAYOUT.repository("a"),
        LAYOUT.upload("A", "id"),
        LAYOUT.upload("a", "id") + "s",
        LAYOUT.uploads,
    ],
)
def test_what_the_layout_has_no_word_for_is_unknown(path: str) -> None:
    assert parse_path(path).kind is Kind.UNKNOWN
