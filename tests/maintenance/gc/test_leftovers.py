"""What needs no mark goes once it is old: history, uploads, markers, records."""

from __future__ import annotations

from datetime import timedelta
from hashlib import md5

import pytest

from registry_core.maintenance.gc.leftovers import KEPT_RUNS
from registry_core.maintenance.gc.report import Part
from registry_core.maintenance.gc.uploads import UNCLAIMED
from registry_core.object_store.interface import UNCONDITIONAL, Condition
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import PageQuery
from registry_core.storage.direct_uploads import new_upload_id
from tests.support.content import image_manifest, push_blob, push_image

from .scene import DAY, LAYOUT, Scene

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)
GONE = Digest.of(b"a manifest that is gone")
HISTORY = LAYOUT.tag_index_link("a", "v1", GONE)
ENTRY = LAYOUT.referrer_link("a", Digest.of(b"x"), GONE)


async def put_link(scene: Scene, path: str, digest: Digest = GONE) -> None:
    await scene.store.put(path, str(digest).encode(), metadata={"digest": str(digest)})


# History


async def test_history_of_manifests_that_are_gone_goes_with_the_trash(scene: Scene) -> None:
    await push_image(scene.registry, "a", "v1", [b"1"])
    await put_link(scene, HISTORY)
    scene.pass_by(14 * DAY - SECOND)
    await scene.collect()
    before = HISTORY in scene.paths
    scene.pass_by(SECOND)

    await scene.collect()

    assert before
    assert HISTORY not in scene.paths


async def test_history_of_manifests_that_are_there_stays(scene: Scene) -> None:
    for number in range(2):
        await push_image(scene.registry, "a", "v1", [b"%d" % number])

    await scene.collect_all()

    for number in range(2):
        digest = Digest.of(image_manifest(b"%d" % number))
        assert LAYOUT.tag_index_link("a", "v1", digest) in scene.paths


async def test_the_index_link_of_what_a_tag_points_to_stays_whatever_is_missing(
    scene: Scene,
) -> None:
    for path in (HISTORY, LAYOUT.tag_link("a", "v1")):
        await put_link(scene, path)
    before = scene.paths

    await scene.collect_all()

    assert scene.paths == before


async def test_history_that_is_written_again_during_the_run_stays(scene: Scene) -> None:
    await push_image(scene.registry, "a", "v1", [b"1"])
    await put_link(scene, HISTORY)
    scene.pass_by(14 * DAY)

    class WritesAgain(type(scene.store)):  # type: ignore[misc]
        async def delete(self, path: str, *, condition: Condition = UNCONDITIONAL) -> None:
            if path == HISTORY:
                await put_link(scene, HISTORY)
            await scene.store.delete(path, condition=condition)

    await scene.collect(WritesAgain(scene.store.objects))

    assert HISTORY in scene.paths


async def test_entries_of_referrers_that_are_gone_go_after_the_grace(scene: Scene) -> None:
    await put_link(scene, ENTRY)
    scene.pass_by(2 * DAY - SECOND)
    await scene.collect()
    before = ENTRY in scene.paths
    scene.pass_by(SECOND)

    await scene.collect()

    assert before
    assert ENTRY not in scene.paths


# Uploads


async def test_our_uploads_go_when_nobody_continues_them(scene: Scene) -> None:
    path = LAYOUT.upload("a", "1")
    await scene.store.put(path, b"some bytes")
    await scene.store.put(LAYOUT.finished_upload("a", "2"), b"x")
    scene.pass_by(7 * DAY - SECOND)
    await scene.collect()
    before = scene.paths
    scene.pass_by(SECOND)

    report = await scene.collect()

    assert before == {path, LAYOUT.finished_upload("a", "2")}
    assert not scene.paths
    assert report.parts[Part.UPLOADS].deleted_bytes == 11


@pytest.mark.parametrize("is_hashed", [False, True])
async def test_a_direct_upload_goes_once_nobody_can_claim_it(
    scene: Scene, *, is_hashed: bool
) -> None:
    """The blocks of one that was never looked at are no object, and have no time of their own."""
    upload_id = new_upload_id("alice", scene.store.now.timestamp())
    path = LAYOUT.staged_upload("a", upload_id)
    await scene.store.stage(path, "f" * 23, b"content", md5=md5(b"content").digest())
    if is_hashed:
        await scene.store.commit(path, ["f" * 23])
        await scene.store.put(LAYOUT.hash_record("a", upload_id), b"{}")
    scene.pass_by(UNCLAIMED - SECOND)
    await scene.collect()
    before = scene.paths | {each for each, blocks in scene.store.staged.items() if blocks}
    scene.pass_by(SECOND)
    await scene.collect()

    assert path in before
    assert not scene.paths
    assert not any(scene.store.staged.values())


async def test_a_dry_run_leaves_direct_uploads(scene: Scene) -> None:
    path = LAYOUT.staged_upload("a", new_upload_id("alice", scene.store.now.timestamp()))
    await scene.store.stage(path, "f" * 23, b"content", md5=md5(b"content").digest())
    scene.pass_by(UNCLAIMED)
    report = await scene.collect(dry_run=True)
    assert report.parts[Part.UPLOADS].deleted == 1
    assert scene.store.staged[path]


async def test_blocks_that_may_be_those_of_an_upload_in_progress_stay(scene: Scene) -> None:
    """Storage drops them a week after the last one was staged."""
    path = LAYOUT.upload("a", "1")
    await scene.store.stage(path, "f" * 23, b"content", md5=md5(b"content").digest())
    scene.pass_by(30 * DAY)
    await scene.collect()
    assert scene.store.staged[path]


async def test_an_upload_of_distribution_is_as_young_as_its_youngest_object(scene: Scene) -> None:
    base = f"{LAYOUT.repository('a')}/_uploads"
    paths = [f"{base}/1/{name}" for name in ("data", "startedat", "hashstates/sha256/0")]
    for path in paths:
        await scene.store.put(path, b"")
    await scene.store.put(f"{base}/2/data", b"")
    scene.pass_by(4 * DAY)
    await scene.store.put(paths[0], b"more")
    scene.pass_by(4 * DAY)

    await scene.collect()
    first = scene.paths
    scene.pass_by(4 * DAY)
    await scene.collect()

    assert first == set(paths)
    assert not scene.paths


async def test_uploads_age_by_the_setting(scene: Scene) -> None:
    await scene.store.put(LAYOUT.upload("a", "1"), b"some bytes")
    scene.pass_by(DAY)

    await scene.collect(upload_age=DAY)

    assert not scene.paths


# The catalog


async def test_empty_repositories_disappear_from_the_catalog(scene: Scene) -> None:
    await push_image(scene.registry, "b", "v1", [b"1"])
    await scene.store.put(LAYOUT.catalog_marker("a"), b"")
    await push_blob(scene.registry, "a", b"1")
    scene.pass_by()

    await scene.collect()

    names = await scene.instance().list_repositories(PageQuery())
    assert names.entries == ("b",)


# Records


async def test_records_of_deletions_go_at_the_age_of_the_setting(scene: Scene) -> None:
    await push_image(scene.registry, "a", "v1", [b"1"])
    await scene.registry.delete_manifest("a", Digest.of(image_manifest(b"1")))
    scene.pass_by(5 * DAY - SECOND)
    await scene.collect(trash_age=5 * DAY)
    before = [path for path in scene.store.objects if path.startswith(LAYOUT.trash)]
    scene.pass_by(SECOND)

    await scene.collect(trash_age=5 * DAY)

    assert len(before) == 1
    assert not set(before) & scene.store.objects.keys()


async def test_damaged_content_that_was_moved_away_goes(scene: Scene) -> None:
    path = LAYOUT.quarantined(GONE, "1")
    await scene.store.put(path, b"damaged")
    scene.pass_by(14 * DAY - SECOND)
    await scene.collect()
    before = path in scene.paths
    scene.pass_by(SECOND)

    await scene.collect()

    assert before
    assert not scene.paths


async def test_the_records_of_the_last_runs_are_kept(scene: Scene) -> None:
    for _ in range(KEPT_RUNS + 3):
        await scene.collect()

    runs = [path for path in scene.store.objects if path.startswith(LAYOUT.gc_runs)]
    assert len(runs) == KEPT_RUNS
    assert LAYOUT.gc_summary in scene.store.objects


async def test_what_a_run_had_found_goes_if_nobody_continues_it(scene: Scene) -> None:
    path = LAYOUT.gc_mark("20260101T000000Z-00000000")
    await scene.store.put(path, b"")
    scene.pass_by(6 * DAY)
    await scene.collect()
    before = path in scene.store.objects
    scene.pass_by(DAY)

    await scene.collect()

    assert before
    assert path not in scene.store.objects


@pytest.mark.parametrize("path", [LAYOUT.personal_key("someone"), LAYOUT.replacing("1")])
async def test_keys_and_records_of_repairs_never_go(scene: Scene, path: str) -> None:
    await scene.store.put(path, b"[]")

    await scene.collect_all()

    assert path in scene.paths
