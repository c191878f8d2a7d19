"""The contract for blobs that a client writes to storage by itself."""

from __future__ import annotations

import pytest

from registry_core.registry import Registry, Upload
from registry_core.spec.digest import Digest
from registry_core.spec.errors import (
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    SizeInvalid,
)
from registry_core.spec.staging import MAX_BLOCKS
from tests.support.content import chunk, read_blob

from .common import Carried, PutBlocks

BLOCKS = (b"first block", b"second block", b"third")
CONTENT = b"".join(BLOCKS)


async def begin(registry: Registry, put_blocks: PutBlocks) -> Upload:
    """Begin an upload, and stage its blocks."""
    upload = await registry.start_upload("a")
    staging = await registry.open_staging(upload)
    assert staging is not None
    await put_blocks(staging, BLOCKS)
    return upload


class StagingContract:
    """Staged and direct uploads."""

    pytestmark = pytest.mark.anyio

    async def test_staged_blocks_become_a_blob(
        self, registry: Registry, put_blocks: PutBlocks
    ) -> None:
        upload = await begin(registry, put_blocks)
        done = await registry.finish_staged_upload(upload, Digest.of(CONTENT), len(BLOCKS))
        assert done == await registry.resolve_blob("a", Digest.of(CONTENT))
        assert await read_blob(registry, "a", Digest.of(CONTENT)) == CONTENT

    async def test_a_staged_upload_that_is_finished_again_succeeds_again(
        self, registry: Registry, put_blocks: PutBlocks
    ) -> None:
        upload = await begin(registry, put_blocks)
        done = await registry.finish_staged_upload(upload, Digest.of(CONTENT), len(BLOCKS))
        again = await registry.finish_staged_upload(upload, Digest.of(CONTENT), len(BLOCKS))
        assert again == done

    async def test_staged_content_with_a_wrong_digest_is_refused(
        self, registry: Registry, put_blocks: PutBlocks
    ) -> None:
        upload = await begin(registry, put_blocks)
        with pytest.raises(DigestInvalid):
            await registry.finish_staged_upload(upload, Digest.of(b"other"), len(BLOCKS))

    async def test_missing_blocks_and_impossible_numbers_are_refused(
        self, registry: Registry, put_blocks: PutBlocks
    ) -> None:
        upload = await begin(registry, put_blocks)
        for blocks in (0, -1, MAX_BLOCKS + 1):
            with pytest.raises(SizeInvalid):
                await registry.finish_staged_upload(upload, Digest.of(CONTENT), blocks)
        with pytest.raises(BlobUploadUnknown):
            await registry.finish_staged_upload(upload, Digest.of(CONTENT), len(BLOCKS) + 1)

    async def test_an_upload_with_content_cannot_be_staged(self, registry: Registry) -> None:
        upload = await registry.append_upload(await registry.start_upload("a"), chunk(b"content"))
        with pytest.raises(BlobUploadInvalid):
            await registry.open_staging(upload)

    async def test_direct_uploads_are_there_for_clients_that_can_only_do_that(
        self, registry: Registry, carried: Carried
    ) -> None:
        begun = await registry.start_direct_upload("a")
        assert (begun is not None) == carried.direct_uploads
        assert not await registry.claim_direct_uploads("a", {Digest.of(b"other"): None})
