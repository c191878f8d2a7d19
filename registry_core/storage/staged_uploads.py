"""Uploads whose blocks a client stages in storage by itself, and finishes with their number.

The blocks are named by the upload and their index, so that one that is staged twice replaces
itself, and finishing needs no list of names. See `staging` for what the client does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ..object_store.errors import NotFound, WrongKind
from ..object_store.interface import delete_if
from ..registry import Upload
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.errors import BlobUploadInvalid, BlobUploadUnknown, DigestInvalid, SizeInvalid
from ..spec.staging import MAX_BLOCKS, Staging, block_id
from .layout import Layout
from .staged_commit import StagedUpload, drop_blocks
from .staged_content import StagedContent
from .upload_state import UploadState
from .uploads import Uploads

URL_SECONDS = 60 * 60
"""For how long a URL permits to stage blocks."""


@dataclass
class StagedUploads:
    """`Stager`'s staged uploads over the object store. ``now``: Unix time.

    ``enabled``: whether clients may write to storage by themselves.
    """

    uploads: Uploads
    staged: StagedContent
    enabled: bool = True
    now: Callable[[], float] = field(default=time.time)

    async def open_staging(self, upload: Upload) -> Staging | None:
        """See `Stager`. No call, as a rule."""
        state = UploadState.of(upload)
        if upload.offset or state.etag is not None:
            raise BlobUploadInvalid("the upload has content already; begin another one to stage")
        if not self.enabled:
            return None
        return await self.staging(StagedUpload.of(self.layout, upload.repository, upload.id))

    async def staging(self, upload: StagedUpload) -> Staging | None:
        """Return the staging of an upload; None where the store has no URLs for clients."""
        expires = datetime.fromtimestamp(int(self.now()), UTC) + timedelta(seconds=URL_SECONDS)
        url = await self.staged.store.staging_url(upload.path, seconds=URL_SECONDS)
        return None if url is None else Staging(url, expires, upload.prefix)

    async def finish_staged_upload(self, upload: Upload, digest: Digest, blocks: int) -> Descriptor:
        """See `Stager`. Five calls, and those of `StagedContent.hash` and `Content.copy`."""
        if not 1 <= blocks <= MAX_BLOCKS:
            raise SizeInvalid(f"an upload has 1 to {MAX_BLOCKS} blocks, not {blocks}")
        UploadState.of(upload)
        staged = StagedUpload.of(self.layout, upload.repository, upload.id)
        block_ids = [block_id(staged.prefix, index) for index in range(blocks)]
        observed = self.uploads.membership.clock()
        try:
            hashed = await self.staged.take(
                staged, block_ids, digest.algorithm, digest.__eq__, self.staged.deadline()
            )
        except NotFound:
            return await self._finished_before(upload, digest)
        if hashed.digest != digest:
            await self.staged.discard(staged, hashed.record)
            raise DigestInvalid(f"the content's digest is {hashed.digest}, not {digest}")
        blob = await self.uploads.link(
            upload, digest, hashed.record.size, hashed.image, observed=observed
        )
        await self.staged.discard(staged, hashed.record)
        return blob

    async def discard(self, upload: Upload) -> None:
        """Drop what a client has staged for an upload that is cancelled. One call, or four."""
        if not self.enabled or upload.offset:
            return
        staged = StagedUpload.of(self.layout, upload.repository, upload.id)
        store = self.staged.store
        try:
            with suppress(WrongKind):  # the URL also permits to put a blob of another kind
                await store.uncommitted_blocks(staged.path)
        except NotFound:
            return
        await drop_blocks(store, staged.path)
        await delete_if(store, staged.record)

    async def _finished_before(self, upload: Upload, digest: Digest) -> Descriptor:
        """:raises BlobUploadUnknown: the upload was not finished: blocks are missing."""
        try:
            return await self.uploads.finished_before(upload, digest)
        except BlobUploadUnknown:
            raise BlobUploadUnknown(
                f"upload {upload.id} of {upload.repository} lacks blocks, or is finished or "
                "cancelled; stage all blocks, from number 0 on, and finish it again"
            ) from None

    @property
    def layout(self) -> Layout:
        """The layout of the container."""
        return self.uploads.membership.layout
