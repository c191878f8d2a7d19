"""The contract for uploads: their states, and what they leave."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from registry_core.registry import Registry, Upload, UploadOutOfOrder
from registry_core.spec.digest import Digest
from registry_core.spec.errors import (
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    SizeInvalid,
)
from registry_core.storage.ingest import BLOCK
from tests.support.content import chunk, random_bytes, read_blob

from .common import LARGE, SMALL, Carried, Snapshot


def uploads_in(found: Mapping[str, object], repository: str = "") -> list[str]:
    """Return the data of uploads among the paths of a snapshot."""
    return [path for path in found if f"/_uploads/{repository}" in path]


class Uploads:
    """Uploads, from their beginning to their end."""

    pytestmark = pytest.mark.anyio

    @pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
    @pytest.mark.parametrize(
        "sizes",
        [(0,), (1,), (5,), (1, 1, 7), (5, BLOCK + 1), (BLOCK, 1), (2 * BLOCK, BLOCK, 9)],
        ids=str,
    )
    async def test_pieces_of_any_size_make_the_blob(
        self, registry: Registry, snapshot: Snapshot, sizes: tuple[int, ...], algorithm: str
    ) -> None:
        """Appended all of them, or with the last one at the end."""
        for last_at_the_end in (False, True):
            upload, content = await registry.start_upload("a", algorithm), b""
            pieces = [random_bytes(size, seed) for seed, size in enumerate(sizes)]
            last = pieces.pop() if last_at_the_end else b""
            for piece in pieces:
                upload = await registry.append_upload(upload, chunk(piece, start=len(content)))
                content += piece
                assert upload.offset == len(content)
            digest = Digest.of(content + last, algorithm)
            done = await registry.finish_upload(upload, digest, chunk(last))
            assert (done.digest, done.size) == (digest, len(content + last))
            assert await registry.resolve_blob("a", digest) == done
            if content + last:
                assert await read_blob(registry, "a", digest) == content + last
        assert not uploads_in(snapshot())

    @pytest.mark.parametrize("length", [0, len(SMALL), len(LARGE)])
    async def test_a_whole_blob_may_be_sent_at_the_end_with_its_length(
        self, registry: Registry, snapshot: Snapshot, length: int
    ) -> None:
        content = LARGE[:length]
        upload = await registry.start_upload("a")
        digest = Digest.of(content)
        done = await registry.finish_upload(upload, digest, chunk(content, start=0, length=length))
        assert done == await registry.resolve_blob("a", digest)
        assert not uploads_in(snapshot())

    async def test_of_two_requests_that_continue_the_same_state_only_one_is_accepted(
        self, registry: Registry
    ) -> None:
        upload = await registry.append_upload(await registry.start_upload("a"), chunk(LARGE))
        won = await registry.append_upload(upload, chunk(b"one"))
        with pytest.raises(UploadOutOfOrder) as lost:
            await registry.append_upload(upload, chunk(b"other"))
        assert lost.value.upload.offset == won.offset
        with pytest.raises(UploadOutOfOrder):
            await registry.finish_upload(upload, Digest.of(LARGE), chunk())
        await registry.finish_upload(lost.value.upload, Digest.of(LARGE + b"one"), chunk())
        assert await read_blob(registry, "a", Digest.of(LARGE + b"one")) == LARGE + b"one"

    async def test_a_client_that_lost_an_answer_can_look_what_arrived(
        self, registry: Registry
    ) -> None:
        first = await registry.start_upload("a")
        assert (await registry.get_upload(first)).offset == 0
        second = await registry.append_upload(first, chunk(LARGE))
        third = await registry.append_upload(second, chunk(b"more"))
        for known in (first, second, third):
            assert (await registry.get_upload(known)).offset == third.offset
        digest = Digest.of(LARGE + b"more")
        await registry.finish_upload(await registry.get_upload(first), digest, chunk())

    async def test_finishing_again_after_a_lost_answer_succeeds(self, registry: Registry) -> None:
        for content in (b"", SMALL, LARGE):
            upload = await registry.append_upload(await registry.start_upload("a"), chunk(content))
            done = await registry.finish_upload(upload, Digest.of(content), chunk())
            assert await registry.finish_upload(upload, Digest.of(content), chunk()) == done

    async def test_a_piece_that_does_not_begin_at_the_offset_is_refused_and_changes_nothing(
        self, registry: Registry, snapshot: Snapshot
    ) -> None:
        upload = await registry.append_upload(await registry.start_upload("a"), chunk(LARGE))
        before = snapshot()
        for start in (0, upload.offset - 1, upload.offset + 1):
            with pytest.raises(UploadOutOfOrder) as error:
                await registry.append_upload(upload, chunk(b"x", start=start))
            assert error.value.upload.offset == upload.offset
            with pytest.raises(UploadOutOfOrder):
                await registry.finish_upload(upload, Digest.of(LARGE), chunk(b"x", start=start))
        assert snapshot() == before
        await registry.finish_upload(error.value.upload, Digest.of(LARGE), chunk())

    @pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
    @pytest.mark.parametrize("difference", [-1, 1])
    async def test_a_piece_of_another_length_than_announced_is_discarded(
        self,
        registry: Registry,
        snapshot: Snapshot,
        carried: Carried,
        content: bytes,
        difference: int,
    ) -> None:
        wrong = len(content) + difference
        upload = await registry.start_upload("a")
        with pytest.raises(SizeInvalid):
            await registry.append_upload(upload, chunk(content, length=wrong))
        if carried.whole_pieces:
            assert (await registry.get_upload(upload)).offset == 0
            assert snapshot() == {}
        upload = await registry.start_upload("b")
        with pytest.raises(SizeInvalid):
            await registry.finish_upload(upload, Digest.of(content), chunk(content, length=wrong))
        assert not uploads_in(snapshot(), "b")

    @pytest.mark.parametrize("content", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
    async def test_an_upload_with_a_wrong_digest_is_discarded(
        self, registry: Registry, snapshot: Snapshot, content: bytes
    ) -> None:
        other = Digest.of(b"other")
        with pytest.raises(DigestInvalid):
            await registry.finish_upload(await registry.start_upload("a"), other, chunk(content))
        assert not uploads_in(snapshot())
        upload = await registry.append_upload(await registry.start_upload("a"), chunk(LARGE))
        with pytest.raises(DigestInvalid):
            await registry.finish_upload(upload, other, chunk(content))
        assert not uploads_in(snapshot())
        with pytest.raises(BlobUnknown):
            await registry.resolve_blob("a", other)
        with pytest.raises(BlobUploadUnknown):
            await registry.get_upload(upload)

    async def test_a_cancelled_upload_is_gone(self, registry: Registry, snapshot: Snapshot) -> None:
        upload = await registry.append_upload(await registry.start_upload("a"), chunk(LARGE))
        assert uploads_in(snapshot())
        await registry.cancel_upload(upload)
        assert not uploads_in(snapshot())
        with pytest.raises(BlobUploadUnknown):
            await registry.get_upload(upload)
        with pytest.raises(BlobUploadUnknown):
            await registry.append_upload(upload, chunk(b"x"))
        with pytest.raises(BlobUploadUnknown):
            await registry.finish_upload(upload, Digest.of(LARGE), chunk())
        with pytest.raises(BlobUploadUnknown):
            await registry.cancel_upload(upload)

    @pytest.mark.parametrize(
        "state", ["x", "[]", "{}", '{"a":"sha256","h":"?"}', '{"a":1,"b":"z"}']
    )
    async def test_a_state_that_the_registry_did_not_return_is_refused(
        self, registry: Registry, state: str
    ) -> None:
        upload = Upload("a", "id", 5, state)
        with pytest.raises(BlobUploadInvalid):
            await registry.append_upload(upload, chunk(b"x"))
        with pytest.raises(BlobUploadInvalid):
            await registry.get_upload(upload)
        with pytest.raises(BlobUploadInvalid):
            await registry.finish_upload(upload, Digest.of(b"x"), chunk())
        with pytest.raises(BlobUploadInvalid):
            await registry.cancel_upload(upload)
        with pytest.raises(BlobUploadInvalid):
            await registry.open_staging(upload)
