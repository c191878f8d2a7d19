"""Copies of large blobs that the target's storage fetches by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from registry_core.registry import Blob, Upload
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.errors import TooManyRequests, Unavailable
from registry_core.spec.staging import Staging
from registry_core.transfer.copy import copy_manifest
from registry_core.transfer.errors import NotFetched, SourceContentInvalid
from registry_core.transfer.options import Renew
from registry_core.transfer.report import Outcome
from registry_core.transfer.run import CopyRun
from tests.support.content import CONFIG, chunk, random_bytes, read_blob
from tests.transfer.disturbed import changed, patient_run
from tests.transfer.places import Shelf, Watched, push_image_of, stored

pytestmark = pytest.mark.anyio

LARGE, SMALL = random_bytes(400_000), b"small"


@dataclass
class Staged(Watched):
    """A target whose storage takes blocks: ``blocks`` by the URL that they are put to."""

    blocks: dict[str, bytes] = field(default_factory=dict)
    busy: int = 0
    stages: bool = True

    async def open_staging(self, upload: Upload) -> Staging | None:
        self.calls.append(("open_staging", upload.id))
        if not self.stages:
            return None
        url = f"https://storage.example/{upload.id}?sig"
        return Staging(url, datetime(2030, 1, 1, tzinfo=UTC), "b")

    async def finish_staged_upload(self, upload: Upload, digest: Digest, blocks: int) -> Descriptor:
        self.calls.append(("finish_staged_upload", digest))
        if self.busy:
            self.busy -= 1
            raise TooManyRequests(headers={"Retry-After": "3"})
        staging = await self.open_staging(upload)
        assert staging is not None
        content = b"".join(self.blocks.pop(staging.block_url(index)) for index in range(blocks))
        return await self.inner.finish_upload(upload, digest, chunk(content))


@dataclass
class Fetcher:
    """Lets the storage of `Staged` read blobs by itself, or not."""

    target: Staged
    can: bool = True
    alter: Callable[[bytes], bytes] = bytes
    fetched: list[Digest] = field(default_factory=list)

    async def fetch(
        self, blob: Blob, staging: Staging, renew: Renew, on_bytes: Callable[[int], None]
    ) -> int | None:
        size = blob.descriptor.size
        on_bytes(size // 2)
        if not self.can:
            return None
        body = await blob.read(0, size)
        content = self.alter(b"".join([piece async for piece in body]))
        self.target.blocks[staging.block_url(0)] = content
        self.fetched.append(blob.descriptor.digest)
        on_bytes(size - size // 2)
        return 1


def staged_shelf(source: Watched | None = None) -> tuple[Shelf, Staged]:
    target = Staged(stored())
    return Shelf(source or Watched(stored()), target), target


async def test_without_staging_blobs_are_sent_and_staging_is_not_asked_for_again() -> None:
    shelf, target = staged_shelf()
    target.stages = False
    await push_image_of(shelf.source, LARGE, LARGE[1:])
    run = CopyRun(1, fetcher=Fetcher(target))
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], run=run)
    assert await read_blob(target, "copy/app", Digest.of(LARGE)) == LARGE
    assert len(target.called("open_staging")) == 1
    assert len(target.called("cancel_upload")) == 1  # the one that could not be staged


async def test_while_the_target_hashes_it_is_asked_again() -> None:
    shelf, target = staged_shelf()
    target.busy = 5
    await push_image_of(shelf.source, LARGE)
    run, waits = patient_run(fetcher=Fetcher(target))
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], run=run)
    assert waits == [3.0] * 5
    assert await read_blob(target, "copy/app", Digest.of(LARGE)) == LARGE


async def test_fetching_that_fails_for_once_begins_again() -> None:
    class Recovering(Fetcher):
        async def fetch(
            self, blob: Blob, staging: Staging, renew: Renew, on_bytes: Callable[[int], None]
        ) -> int | None:
            if not self.fetched:
                self.fetched.append(blob.descriptor.digest)
                raise Unavailable("for once")
            assert await renew() == staging
            return await super().fetch(blob, staging, renew, on_bytes)

    shelf, target = staged_shelf()
    await push_image_of(shelf.source, LARGE)
    run, waits = patient_run(fetcher=Recovering(target))
    report = await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], run=run)
    assert waits == [1.0]
    assert report.blobs[Outcome.FETCHED].number == 1
    assert len(target.called("cancel_upload")) == 1


async def test_storage_fetches_a_blob_without_its_bytes_passing_through_here() -> None:
    shelf, target = staged_shelf()
    await push_image_of(shelf.source, LARGE, SMALL)
    fetcher = Fetcher(target)
    run = CopyRun(fetcher=fetcher)
    report = await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], run=run)
    assert fetcher.fetched == [Digest.of(LARGE)]
    assert await read_blob(target, "copy/app", Digest.of(LARGE)) == LARGE
    assert report.blobs[Outcome.FETCHED].size == len(LARGE)
    assert report.bytes_read == len(SMALL) + len(CONFIG)


async def test_what_storage_cannot_fetch_is_sent() -> None:
    shelf, target = staged_shelf()
    await push_image_of(shelf.source, LARGE)
    run = CopyRun(fetcher=Fetcher(target, can=False))
    seen: list[int] = []
    report = await copy_manifest(
        shelf.here,
        "v1",
        shelf.there,
        ["v1"],
        progress=lambda each: seen.append(each.total_done),
        run=run,
    )
    assert report.blobs[Outcome.COPIED].number == 2
    assert await read_blob(target, "copy/app", Digest.of(LARGE)) == LARGE
    assert seen[-1] == len(LARGE) + len(CONFIG)
    assert len(target.called("cancel_upload")) == 1  # the one that could not be fetched


async def test_what_must_be_fetched_and_cannot_is_an_error() -> None:
    shelf, target = staged_shelf()
    await push_image_of(shelf.source, LARGE)
    run = CopyRun(fetcher=Fetcher(target, can=False), must_fetch=True)
    with pytest.raises(NotFetched) as caught:
        await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], run=run)
    assert "source.example/app" in caught.value.message
    assert str(Digest.of(LARGE)) in caught.value.message


async def test_what_was_fetched_and_is_something_else_names_the_source() -> None:
    shelf, target = staged_shelf()
    await push_image_of(shelf.source, LARGE)
    run = CopyRun(fetcher=Fetcher(target, alter=changed))
    with pytest.raises(SourceContentInvalid, match=r"staged from source\.example/app"):
        await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], run=run)


async def test_a_copy_that_is_cancelled_while_storage_fetches_cancels_the_upload() -> None:
    begun = asyncio.Event()

    class Hanging(Fetcher):
        async def fetch(
            self, blob: Blob, staging: Staging, renew: Renew, on_bytes: Callable[[int], None]
        ) -> int | None:
            begun.set()
            await asyncio.Event().wait()
            raise AssertionError

    shelf, target = staged_shelf()
    await push_image_of(shelf.source, LARGE)
    run = CopyRun(fetcher=Hanging(target))
    task = asyncio.create_task(copy_manifest(shelf.here, "v1", shelf.there, ["v1"], run=run))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(target.called("cancel_upload")) >= 1
