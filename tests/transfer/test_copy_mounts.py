"""Copies within one registry: blobs are mounted instead of copied."""

from __future__ import annotations

import pytest

from registry_core.registry import Blob
from registry_core.spec.digest import Digest
from registry_core.spec.errors import BlobUnknown, Denied, Unauthorized, Unavailable, Unsupported
from registry_core.transfer.copy import copy_manifest
from registry_core.transfer.place import Place
from registry_core.transfer.report import Outcome
from registry_core.transfer.run import CopyRun
from tests.support.content import CONFIG
from tests.transfer.disturbed import patient_run
from tests.transfer.places import SOURCE, TARGET, Shelf, Watched, push_image_of, stored

pytestmark = pytest.mark.anyio


async def test_within_a_registry_blobs_are_mounted_and_not_read() -> None:
    registry = Watched(stored())
    await push_image_of(registry, b"one", b"two")
    registry.calls.clear()
    here, there = Place(registry, "app", SOURCE), Place(registry, "other/app", SOURCE)
    report = await copy_manifest(here, "v1", there, ["v1"])
    assert not registry.called("open_blob", "start_upload")
    assert report.blobs == {Outcome.MOUNTED: report.blobs[Outcome.MOUNTED]}
    assert report.blobs[Outcome.MOUNTED].number == 3
    assert report.bytes_read == 0
    assert set(registry.called("mount_blob")) == {
        (Digest.of(content), "app") for content in (CONFIG, b"one", b"two")
    }


async def test_within_a_repository_nothing_but_the_tag_is_written() -> None:
    registry = Watched(stored())
    manifest = await push_image_of(registry, b"one")
    registry.calls.clear()
    place = Place(registry, "app", SOURCE)
    await copy_manifest(place, "v1", place, ["stable"])
    assert registry.writes == [("push_manifest", (Digest.of(manifest), ("stable",)))]


async def test_what_one_copy_of_a_run_brought_the_next_one_mounts() -> None:
    shelf = Shelf()
    await push_image_of(shelf.source, b"base")
    run = CopyRun()
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], run=run)
    other = Place(shelf.target, "other/app", TARGET)
    report = await copy_manifest(shelf.here, "v1", other, ["v1"], run=run)
    assert report.blobs[Outcome.MOUNTED].number == 2
    assert report.bytes_read == 0
    assert (Digest.of(b"base"), "copy/app") in shelf.target.called("mount_blob")


async def test_other_registries_are_not_mounted_from() -> None:
    shelf = Shelf()
    await push_image_of(shelf.source, b"base")
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    assert not shelf.target.called("mount_blob")


@pytest.mark.parametrize("refusal", [BlobUnknown, Denied, Unauthorized, Unsupported])
async def test_what_cannot_be_mounted_is_copied(refusal: type[Exception]) -> None:
    """It was deleted meanwhile, may not be read by whoever pushes, or mounting is switched off."""

    class Refusing(Watched):
        async def mount_blob(self, repository: str, digest: Digest, source: str | None):  # type: ignore[no-untyped-def] # noqa: ANN202
            raise refusal

    registry = Refusing(stored())
    await push_image_of(registry, b"one")
    here, there = Place(registry, "app", SOURCE), Place(registry, "other/app", SOURCE)
    report = await copy_manifest(here, "v1", there, ["v1"])
    assert report.blobs[Outcome.COPIED].number == 2
    blob: Blob = await registry.open_blob("other/app", Digest.of(b"one"))
    assert blob.descriptor.size == 3


async def test_a_mount_that_fails_for_once_is_repeated() -> None:
    class Failing(Watched):
        async def mount_blob(self, repository: str, digest: Digest, source: str | None):  # type: ignore[no-untyped-def] # noqa: ANN202
            first = not self.called("mount_blob")
            mounted = await super().mount_blob(repository, digest, source)
            if first:
                raise Unavailable("the answer was lost")
            return mounted

    registry = Failing(stored())
    await push_image_of(registry, b"one")
    here, there = Place(registry, "app", SOURCE), Place(registry, "other/app", SOURCE)
    run, waits = patient_run()
    report = await copy_manifest(here, "v1", there, ["v1"], run=run)
    assert report.blobs[Outcome.MOUNTED].number == 2
    assert waits == [1.0]
