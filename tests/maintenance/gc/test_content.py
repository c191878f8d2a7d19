"""Content that nothing references is condemned, waits, and goes; all other content stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from registry_core.maintenance.gc.report import Action, Part
from registry_core.spec.digest import Digest
from registry_core.storage.condemnation import observe
from tests.support.content import CONFIG, image_manifest, push_blob, push_image

from .scene import DAY, LAYOUT, Scene

pytestmark = pytest.mark.anyio

BLOB = b"a blob"
PATH = LAYOUT.content(Digest.of(BLOB))
LINK = LAYOUT.blob_link("a", Digest.of(BLOB))
HOUR = timedelta(hours=1)


async def put_content(scene: Scene, content: bytes = BLOB) -> str:
    path = LAYOUT.content(Digest.of(content))
    await scene.store.put(path, content)
    return path


async def test_garbage_is_condemned_and_goes_after_the_grace(scene: Scene) -> None:
    await put_content(scene)
    scene.pass_by(2 * DAY)

    first = await scene.collect()
    condemned = scene.condemned
    scene.pass_by(2 * DAY)
    second = await scene.collect()

    assert condemned == {PATH}
    assert first.parts[Part.CONTENT].condemned_bytes == len(BLOB)
    assert second.parts[Part.CONTENT].deleted_bytes == len(BLOB)
    assert PATH not in scene.store.objects


async def test_young_content_is_not_condemned(scene: Scene) -> None:
    await put_content(scene)
    scene.pass_by(DAY - HOUR)

    await scene.collect()

    assert not scene.condemned


async def test_what_is_condemned_waits_for_the_grace(scene: Scene) -> None:
    await put_content(scene)
    scene.pass_by()
    await scene.collect()
    scene.pass_by(2 * DAY - timedelta(seconds=1))

    report = await scene.collect()

    assert PATH in scene.store.objects
    assert report.parts[Part.CONTENT].waiting == 1
    [item] = [item for item in report.items if item.action is Action.WAIT]
    assert item.due == "2026-01-06T00:00:00+00:00"


async def test_what_is_observed_begins_anew(scene: Scene) -> None:
    """A mark that was taken off is set again once the object is old, and waits for the grace."""
    await put_content(scene)
    scene.pass_by()
    await scene.collect()
    await observe(scene.store, PATH)
    scene.pass_by(DAY + HOUR)

    await scene.collect()
    scene.pass_by(DAY)
    await scene.collect()
    is_left = PATH in scene.store.objects
    scene.pass_by(2 * DAY)
    await scene.collect()

    assert is_left
    assert PATH not in scene.store.objects


async def test_an_image_stays_whole(scene: Scene) -> None:
    await push_image(scene.registry, "a", "v1", [b"1", b"2"])
    before = scene.paths

    await scene.collect_all()

    assert scene.paths == before


async def test_content_stays_as_long_as_one_repository_has_it(scene: Scene) -> None:
    for repository in ("a", "b"):
        await push_image(scene.registry, repository, "v1", [BLOB])
    await scene.registry.delete_manifest("a", Digest.of(image_manifest(BLOB)))
    await scene.drop_trash()

    await scene.collect_all()

    assert scene.has_content(BLOB, CONFIG)
    assert LINK not in scene.store.objects


async def test_a_deleted_image_goes_whole_once_its_record_has_expired(scene: Scene) -> None:
    await push_image(scene.registry, "a", "v1", [BLOB])
    await scene.registry.delete_manifest("a", Digest.of(image_manifest(BLOB)))
    scene.pass_by(13 * DAY)
    await scene.collect()
    scene.pass_by()
    kept = scene.has_content(BLOB, CONFIG, image_manifest(BLOB))

    await scene.collect_all()

    assert kept
    assert not scene.paths
    assert not [path for path in scene.store.objects if path.startswith(LAYOUT.trash)]


async def test_content_that_a_record_of_a_deletion_names_stays(scene: Scene) -> None:
    await push_blob(scene.registry, "a", BLOB)
    await scene.registry.delete_blob("a", Digest.of(BLOB))
    scene.pass_by()

    await scene.collect()

    assert not scene.condemned


@pytest.mark.parametrize("damaged", [b"", b"{", b"\xff"])
async def test_a_record_that_cannot_be_read_keeps_all_content(scene: Scene, damaged: bytes) -> None:
    await put_content(scene)
    await scene.store.put(LAYOUT.trashed("20260101T000000Z-0123456789abcdef"), damaged)
    scene.pass_by()

    report = await scene.collect()

    assert not scene.condemned
    assert "20260101T000000Z-0123456789abcdef" in report.content_kept


@pytest.mark.parametrize(
    "path",
    [
        "repositories/a/_manifests/revisions/sha256/{hex}/signatures/sha256/{hex}/link",
        "repositories/a/_anything/sha256/{hex}/link",
        "repositories/Not_A_Name/_layers/sha256/{hex}/link",
        "repositories/sha256/{hex}/link",
        "repositories/a/_manifests/tags/not a tag/index/sha256/{hex}/link",
    ],
)
async def test_every_path_that_ends_as_a_link_keeps_what_it_names(scene: Scene, path: str) -> None:
    content = await put_content(scene)
    await scene.store.put(LAYOUT.base + path.format(hex=Digest.of(BLOB).hex), b"")

    scene.pass_by()
    await scene.collect()

    assert content not in scene.condemned


@pytest.mark.parametrize(
    "path",
    [
        LAYOUT.tag_link("a", "v1"),
        f"{LAYOUT.base}repositories/a/_layers/sha512/{Digest.of(BLOB, 'sha512').hex}/link",
        f"{LAYOUT.base}repositories/a/_layers/sha384/{'0' * 96}/link",
        f"{LAYOUT.base}repositories/Not_A_Name/_manifests/tags/v1/current/link",
    ],
)
async def test_a_link_that_another_registry_wrote_is_read(scene: Scene, path: str) -> None:
    content = await put_content(scene)
    await scene.store.put(path, str(Digest.of(BLOB)).encode())
    scene.pass_by()

    await scene.collect()

    assert content not in scene.condemned


@pytest.mark.parametrize("body", [b"no digest", b"sha256:0", b"\xff" * 2000])
@pytest.mark.parametrize(
    "path",
    [
        LAYOUT.tag_link("a", "v1"),
        f"{LAYOUT.base}repositories/a/_layers/sha512/{Digest.of(BLOB, 'sha512').hex}/link",
    ],
)
async def test_a_link_that_cannot_be_read_keeps_all_content(
    scene: Scene, path: str, body: bytes
) -> None:
    await put_content(scene)
    await scene.store.put(path, body)
    scene.pass_by()

    report = await scene.collect()

    assert not scene.condemned
    assert path in report.content_kept


async def test_metadata_that_do_not_fit_a_link_are_not_believed(scene: Scene) -> None:
    content = await put_content(scene)
    other = str(Digest.of(b"other", "sha512"))
    path = LAYOUT.blob_link("a", Digest.of(BLOB, "sha512"))
    await scene.store.put(path, str(Digest.of(BLOB)).encode(), metadata={"digest": other})
    scene.pass_by()

    await scene.collect()

    assert content not in scene.condemned


async def test_a_marker_and_an_entry_of_a_referrers_list_keep_nothing(scene: Scene) -> None:
    content = await put_content(scene)
    digest = Digest.of(BLOB)
    await scene.store.put(LAYOUT.catalog_marker("a"), b"")
    await scene.store.put(LAYOUT.referrer_link("a", Digest.of(b"x"), digest), b"{}")
    scene.pass_by()

    await scene.collect()

    assert content in scene.condemned


async def test_links_that_a_repair_has_taken_away_count(scene: Scene) -> None:
    """A repair that was cut off leaves a record, and without it nothing names the content."""
    content = await put_content(scene)
    path = LAYOUT.revision_link("a", Digest.of(BLOB))
    record = f'[{{"path": "{path}", "digest": "{Digest.of(BLOB)}", "mediaType": "", "size": 0}}]'
    await scene.store.put(LAYOUT.replacing("1"), record.encode())
    await push_blob(scene.registry, "a", b"another")
    scene.pass_by()

    report = await scene.collect()

    assert content not in scene.condemned
    assert not scene.condemned, "the repository's manifests are not all there"
    assert "a" in report.opaque


async def test_condemned_content_that_is_referenced_is_pardoned(scene: Scene) -> None:
    await push_blob(scene.registry, "a", BLOB)
    found = await scene.store.head(PATH)
    await scene.store.set_metadata(PATH, {**found.metadata, "condemned": "x"})
    scene.pass_by()

    report = await scene.collect()

    assert PATH not in scene.condemned
    assert report.parts[Part.CONTENT].pardoned == 1


@pytest.mark.parametrize("obstacle", [{"tier": "Archive"}, {"metadata": {"Not-Ours": "x"}}])
async def test_what_cannot_be_changed_stays_and_is_counted(
    scene: Scene, obstacle: dict[str, Any]
) -> None:
    path = await put_content(scene)
    found = scene.store.objects[path]
    scene.store.objects[path] = replace(found, properties=replace(found.properties, **obstacle))
    scene.pass_by()

    report = await scene.collect()

    assert not scene.condemned
    assert report.refused == [path]
    assert report.parts[Part.CONTENT].refused == 1


async def test_unknown_objects_stay(scene: Scene) -> None:
    paths = [
        f"{LAYOUT.base}blobs/md5/00/00112233445566778899aabbccddeeff/data",
        f"{LAYOUT.base}blobs/sha256/ab/something",
        f"{LAYOUT.base}_auth/keys/someone",
        f"{LAYOUT.base}_others/file",
        f"{LAYOUT.base}repositories/a/_others/file",
        "elsewhere",
    ]
    for path in paths:
        await scene.store.put(path, b"")

    await scene.collect_all()

    assert scene.paths >= set(paths)
