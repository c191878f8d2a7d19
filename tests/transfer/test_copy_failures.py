"""Copies that fail: nothing becomes visible, nothing is left behind, and the next one goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pytest

from registry_core.registry import Blob, Body, Chunk, Upload
from registry_core.spec import media_types
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import SHA256, Digest
from registry_core.spec.endpoints import Reference
from registry_core.spec.errors import (
    BlobUnknown,
    Denied,
    DigestInvalid,
    ErrorDetail,
    ManifestUnknown,
    RegistryError,
    TooManyRequests,
    Unavailable,
)
from registry_core.transfer.copy import copy_manifest, copy_tags
from registry_core.transfer.errors import SourceContentInvalid, SourceManifestInvalid
from registry_core.transfer.options import CopyOptions
from registry_core.transfer.run import ATTEMPTS
from tests.support.content import (
    descriptor,
    image_index,
    image_manifest,
    push_manifest,
    random_bytes,
    read_blob,
)
from tests.transfer.disturbed import Content, Failing, Lying, changed, patient_run
from tests.transfer.places import (
    Shelf,
    Watched,
    has_manifest,
    image_for,
    left_behind,
    push_image_of,
    push_index,
    push_layers,
    stored,
    tags_of,
)

T = TypeVar("T")

pytestmark = pytest.mark.anyio

PLATFORMS = ("linux/amd64", "linux/arm64")
LARGE = random_bytes(300_000)


@pytest.mark.parametrize(
    "alter, what",
    [
        (
            changed,
            "content with the digest sha256:",
        ),
        (lambda content: content[:-1], f"{len(LARGE) - 1} bytes, not {len(LARGE)}"),
        (lambda content: content + b"more", f"more than {len(LARGE)} bytes"),
    ],
)
async def test_a_blob_that_is_not_what_its_digest_says_is_refused(
    alter: Content, what: str
) -> None:
    source = Lying(stored())
    shelf = Shelf(source)
    await push_image_of(source, LARGE)
    source.alter = lambda content: alter(content) if len(content) > 1000 else content
    with pytest.raises(SourceContentInvalid) as caught:
        await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    assert f"source.example/app answers {what}" in caught.value.message
    assert str(Digest.of(LARGE)) in caught.value.message
    assert await left_behind(shelf.kept) == []
    with pytest.raises(ManifestUnknown):
        await shelf.target.resolve_manifest("copy/app", "v1")


async def test_the_last_piece_of_a_wrong_blob_never_reaches_the_target() -> None:
    received: list[bytes] = []

    class Receiving(Watched):
        async def finish_upload(self, upload: Upload, digest: Digest, chunk: Chunk) -> Descriptor:
            async for piece in chunk.body:
                received.append(piece)  # noqa: PERF401 - what came before the failure counts
            raise AssertionError("the body has ended")

    source = Lying(stored())
    shelf = Shelf(source, Receiving(stored()))
    await push_image_of(source, LARGE)
    source.alter = changed
    with pytest.raises(SourceContentInvalid):
        await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    assert b"".join(received) == LARGE[: len(b"".join(received))]
    assert len(b"".join(received)) < len(LARGE)


async def test_the_source_is_named_also_where_the_target_fails_with_an_error_of_its_own() -> None:
    """An HTTP client says that the connection broke, if the body that it sends raises."""

    class Masking(Watched):
        async def finish_upload(self, upload: Upload, digest: Digest, chunk: Chunk) -> Descriptor:
            try:
                return await super().finish_upload(upload, digest, chunk)
            except Exception as error:
                raise Unavailable("the connection broke") from error

    source = Lying(stored())
    shelf = Shelf(source, Masking(stored()))
    await push_image_of(source, LARGE)
    source.alter = changed
    with pytest.raises(SourceContentInvalid, match=r"source\.example/app"):
        await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])


async def test_a_blob_of_another_size_than_the_manifest_says_is_refused() -> None:
    source = Lying(stored())
    shelf = Shelf(source)
    await push_image_of(source, LARGE)
    source.size = 5
    with pytest.raises(SourceContentInvalid, match=r"source\.example/app has 5 bytes for the blob"):
        await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])


async def test_a_manifest_that_is_not_what_its_digest_says_is_refused() -> None:
    source = Lying(stored())
    shelf = Shelf(source)
    await push_image_of(source, b"one")
    source.alter_manifest = lambda content: content.replace(b"2", b" 2", 1)
    with pytest.raises(SourceContentInvalid, match=r"source\.example/app answers content with"):
        await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    assert not shelf.target.writes


async def test_a_manifest_of_another_size_than_the_index_says_is_refused() -> None:
    shelf = Shelf()
    image = await push_image_of(shelf.source, b"one")
    entry = descriptor(image, media_types.OCI_MANIFEST) | {"size": 7}
    await push_manifest(shelf.source, "app", "index", image_index(manifests=[entry]))
    with pytest.raises(SourceContentInvalid, match="the index that lists it says 7"):
        await copy_manifest(shelf.here, "index", shelf.there, ["index"])


async def test_dockers_schema_1_is_refused_with_what_to_do() -> None:
    class Old(Watched):
        async def resolve_manifest(self, repository: str, reference: Reference) -> Descriptor:
            found = await super().resolve_manifest(repository, reference)
            return replace(found, media_type=media_types.DOCKER_SCHEMA_1_SIGNED)

    shelf = Shelf(Old(stored()))
    await push_image_of(shelf.source, b"one")
    with pytest.raises(SourceManifestInvalid, match=r"manifest v1 of source.*schema 1.*push it"):
        await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])


async def test_indexes_that_lie_too_deep_in_one_another_are_refused() -> None:
    shelf = Shelf()
    inner = await push_image_of(shelf.source, b"one")
    for _ in range(12):
        kind = media_types.OCI_INDEX if b"manifests" in inner else media_types.OCI_MANIFEST
        inner = image_index(manifests=[descriptor(inner, kind)])
        await push_manifest(shelf.source, "app", "deep", inner)
    with pytest.raises(SourceManifestInvalid, match="more than 8 deep"):
        await copy_manifest(shelf.here, "deep", shelf.there, ["deep"])


async def test_a_blob_that_the_source_lacks_is_named() -> None:
    shelf = Shelf(Watched(stored(require_blobs=False)))
    await push_layers(shelf.source)
    await push_manifest(shelf.source, "app", "v1", image_manifest(b"missing"))
    with pytest.raises(BlobUnknown) as caught:
        await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    assert caught.value.message.startswith(
        f"source.example/app does not have the blob {Digest.of(b'missing')} ("
    )


@pytest.mark.parametrize("answers_lost", [False, True])
@pytest.mark.parametrize("call", ["start_upload", "finish_upload", "push_manifest"])
async def test_a_call_that_fails_for_once_is_repeated(call: str, *, answers_lost: bool) -> None:
    target = Failing(stored(), answers_lost=answers_lost)
    shelf = Shelf(target=target)
    manifest = await push_image_of(shelf.source, LARGE)
    target.failures = [(call, Unavailable("for once"))]
    run, waits = patient_run()
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], run=run)
    assert await has_manifest(shelf.target, manifest)
    assert waits == [1.0]
    assert len(shelf.target.called("finish_upload")) == 2
    assert await left_behind(shelf.kept) == []


@pytest.mark.parametrize("pushes_before", [0, 1])
async def test_a_manifest_is_pushed_again_where_the_target_missed_what_it_references(
    pushes_before: int,
) -> None:
    """As distribution does while a manifest of an index is pushed again at the same time."""
    missed = DigestInvalid(
        received=(
            ErrorDetail("DIGEST_INVALID", "provided digest did not match uploaded content"),
            ErrorDetail("MANIFEST_BLOB_UNKNOWN", "blob unknown to registry"),
        )
    )
    target = Failing(stored())
    shelf = Shelf(target=target)
    manifest = await push_image_of(shelf.source, b"one")
    target.failures = [("push_manifest", missed)]
    target.spared = pushes_before
    run, waits = patient_run()
    options = CopyOptions(referrers=True)
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], options, run=run)
    assert await has_manifest(shelf.target, manifest)
    assert await tags_of(shelf.target) == ["v1"]
    assert waits == [1.0]


async def test_a_target_that_asks_to_wait_is_waited_for() -> None:
    target = Failing(stored())
    shelf = Shelf(target=target)
    await push_image_of(shelf.source, b"one")
    target.failures = [("push_manifest", TooManyRequests(headers={"Retry-After": "7"}))]
    run, waits = patient_run()
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], run=run)
    assert waits == [7.0]


async def test_a_target_that_stays_away_is_given_up() -> None:
    target = Failing(stored())
    shelf = Shelf(target=target)
    await push_image_of(shelf.source, b"one")
    target.failures = [("push_manifest", Unavailable(str(n))) for n in range(9)]
    run, waits = patient_run()
    with pytest.raises(Unavailable, match=str(ATTEMPTS - 1)):
        await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], run=run)
    assert len(waits) == ATTEMPTS - 1


async def test_what_is_denied_is_not_repeated() -> None:
    target = Failing(stored())
    shelf = Shelf(target=target)
    await push_image_of(shelf.source, b"one")
    target.failures = [("start_upload", Denied("not yours"))] * 2
    run, waits = patient_run(parallel=1)
    with pytest.raises(Denied, match="not yours"):
        await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], CopyOptions(parallel=1), run=run)
    assert len(target.failures) == 1
    assert not waits


class Interrupted(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("after", range(12))
async def test_a_copy_that_was_cut_off_goes_on_where_it_stopped(after: int) -> None:
    """Whatever write was the last one, the tag is not there, and no blob is sent twice."""

    class CutOff(Watched):
        left = after

        async def perform(self, name: str, about: object, call: Coroutine[Any, Any, T]) -> T:
            self.left -= name in {"finish_upload", "push_manifest"}
            if self.left < 0:
                call.close()
                raise Interrupted
            return await super().perform(name, about, call)

    options = CopyOptions(referrers=True, parallel=1)
    shelf = Shelf(target=CutOff(stored()))
    index = await push_index(shelf.source, *PLATFORMS, attested=True)
    with pytest.raises(Interrupted):
        await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], options)
    with pytest.raises(ManifestUnknown):
        await shelf.kept.resolve_manifest("copy/app", "v1")
    before = shelf.target.called("finish_upload")
    again = Shelf(shelf.source, Watched(shelf.kept))
    await copy_manifest(again.here, "v1", again.there, ["v1"], options)
    assert (await shelf.kept.get_manifest("copy/app", "v1")).content == index
    assert not set(before) & set(again.target.called("finish_upload"))


async def test_a_blob_that_fails_stops_the_others_and_leaves_no_upload_behind() -> None:
    class Hanging(Watched):
        async def open_blob(self, repository: str, digest: Digest) -> Any:
            if digest == Digest.of(b"missing"):
                await asyncio.sleep(0.01)  # the other one has begun by then
                raise BlobUnknown
            return HangingBlob(await super().open_blob(repository, digest))

    @dataclass
    class HangingBlob:
        blob: Blob

        @property
        def descriptor(self) -> Descriptor:
            return self.blob.descriptor

        async def url(self) -> str | None:
            return None

        async def read(self, offset: int, length: int) -> Body:
            return self._hang()

        async def _hang(self) -> AsyncIterator[bytes]:
            yield b"x"
            await asyncio.Event().wait()

    shelf = Shelf(Hanging(stored(require_blobs=False)))
    await push_layers(shelf.source, LARGE)
    await push_manifest(shelf.source, "app", "v1", image_manifest(LARGE, b"missing"))
    with pytest.raises(BlobUnknown):
        async with asyncio.timeout(5):
            await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    started, cancelled = (shelf.target.called(name) for name in ("start_upload", "cancel_upload"))
    assert len(started) == len(cancelled) == 2
    assert await left_behind(shelf.kept) == []


async def test_a_copy_that_is_cancelled_cancels_its_uploads() -> None:
    begun = asyncio.Event()

    class Stuck(Watched):
        async def finish_upload(self, upload: Upload, digest: Digest, chunk: Chunk) -> Descriptor:
            begun.set()
            await asyncio.Event().wait()
            raise AssertionError

    shelf = Shelf(target=Stuck(stored()))
    await push_image_of(shelf.source, b"one")
    task = asyncio.create_task(copy_manifest(shelf.here, "v1", shelf.there, ["v1"]))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    started, cancelled = (shelf.target.called(name) for name in ("start_upload", "cancel_upload"))
    assert len(started) == len(cancelled) >= 1


async def test_an_upload_that_is_just_being_begun_is_cancelled_with_the_copy() -> None:
    begun, may_answer = asyncio.Event(), asyncio.Event()

    class Slow(Watched):
        async def start_upload(self, repository: str, algorithm: str = SHA256) -> Upload:
            upload = await super().start_upload(repository, algorithm)
            begun.set()
            await may_answer.wait()
            return upload

    shelf = Shelf(target=Slow(stored()))
    await push_image_of(shelf.source, b"one")
    task = asyncio.create_task(copy_manifest(shelf.here, "v1", shelf.there, ["v1"]))
    await begun.wait()
    task.cancel()
    await asyncio.sleep(0)
    may_answer.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    started, cancelled = (shelf.target.called(name) for name in ("start_upload", "cancel_upload"))
    assert len(started) == len(cancelled) >= 1


async def test_a_tag_that_fails_does_not_fail_another_one_that_shares_a_blob() -> None:
    """The shared blob is under way for both when the one fails by another blob of its own."""
    has_failed = asyncio.Event()

    class Slow(Watched):
        async def open_blob(self, repository: str, digest: Digest) -> Any:
            if digest == Digest.of(b"missing"):
                has_failed.set()
            if digest == Digest.of(b"shared"):
                await has_failed.wait()
            return await super().open_blob(repository, digest)

    shelf = Shelf(Slow(stored(require_blobs=False)))
    await push_layers(shelf.source, b"shared", b"own")
    await push_manifest(shelf.source, "app", "bad", image_manifest(b"shared", b"missing"))
    good = image_manifest(b"shared", b"own")
    await push_manifest(shelf.source, "app", "good", good)
    report = await copy_tags(shelf.here, ["bad", "good"], shelf.there)
    assert (set(report.tags), set(report.failures)) == ({"good"}, {"bad"})
    assert await tags_of(shelf.target) == ["good"]
    assert await read_blob(shelf.target, "copy/app", Digest.of(b"shared")) == b"shared"


async def test_a_failure_that_is_not_the_registrys_ends_everything() -> None:
    class Broken(Watched):
        async def resolve_manifest(self, repository: str, reference: Reference) -> Descriptor:
            raise OSError("the disk is full")

    shelf = Shelf(target=Broken(stored()))
    await push_image_of(shelf.source, b"one")
    with pytest.raises(OSError, match="the disk is full"):
        await copy_tags(shelf.here, ["v1"], shelf.there)


async def test_an_index_with_a_child_that_the_source_lacks_is_not_pushed() -> None:
    shelf = Shelf(Watched(stored(require_children=False)))
    await push_index(shelf.source, PLATFORMS[0])
    lacking = image_index(manifests=[descriptor(image_for(PLATFORMS[1]), media_types.OCI_MANIFEST)])
    await push_manifest(shelf.source, "app", "lacking", lacking)
    with pytest.raises(RegistryError, match=r"source\.example/app does not have the manifest"):
        await copy_manifest(shelf.here, "lacking", shelf.there, ["lacking"])
    assert not await has_manifest(shelf.target, lacking)


async def test_what_lacks_a_manifest_is_not_copied_as_a_blob_instead() -> None:
    """The source has the inner index as a blob, too, and lacks what the index lists."""
    shelf = Shelf(Watched(stored(require_children=False)))
    inner = image_index(missing := image_manifest(b"nowhere"))
    await push_layers(shelf.source, inner)
    await push_manifest(shelf.source, "app", "inner", inner)
    outer = image_index(manifests=[descriptor(inner, media_types.OCI_INDEX)])
    await push_manifest(shelf.source, "app", "outer", outer)
    with pytest.raises(RegistryError, match=str(Digest.of(missing))):
        await copy_manifest(shelf.here, "outer", shelf.there, ["outer"])
    assert not await has_manifest(shelf.target, outer)
