"""Uploads: any instance can serve any request of one. See `upload_state` for the states.

Storage calls: none to start; one to append or finish with a body that fits in one block; a stage
for each block and one commit otherwise; one copy to publish what was committed before its digest
was known.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from ..object_store.interface import (
    IF_ABSENT,
    BlockListInvalid,
    Condition,
    ConditionFailed,
    NotFound,
    StoreUnavailable,
    if_match,
)
from ..registry import Chunk, Upload, UploadOutOfOrder
from ..spec.descriptor import Descriptor
from ..spec.digest import SHA256, Digest, Hasher
from ..spec.errors import BlobUploadUnknown, DigestInvalid
from .content import Content
from .ingest import Budget, block_id, ingest, new_nonce
from .membership import Shelf
from .upload_state import UploadState, upload_at, upload_metadata

_log = logging.getLogger(__name__)


@dataclass
class Uploads:
    """`Writer`'s uploads over the object store."""

    shelf: Shelf
    budget: Budget = field(default_factory=Budget)

    def __post_init__(self) -> None:
        self._content = Content(self.shelf.store, self.shelf.layout)

    async def start_upload(self, repository: str, algorithm: str = SHA256) -> Upload:
        state = "" if algorithm == SHA256 else UploadState(algorithm).encode()
        return Upload(repository, str(uuid.uuid4()), 0, state)

    async def get_upload(self, upload: Upload) -> Upload:
        try:
            properties = await self.shelf.store.head(self._path(upload))
        except NotFound:
            if UploadState.of(upload).etag is None:
                return upload
            raise _unknown(upload) from None
        return upload_at(upload, properties)

    async def cancel_upload(self, upload: Upload) -> None:
        try:
            await self.shelf.store.delete(self._path(upload))
        except NotFound:
            if UploadState.of(upload).etag is not None:
                raise _unknown(upload) from None

    async def append_upload(self, upload: Upload, chunk: Chunk) -> Upload:
        await self._check_start(upload, chunk)
        state = UploadState.of(upload)
        hasher = state.hasher(upload.offset)
        path = self._path(upload)
        got = await ingest(
            self.shelf.store, path, chunk, hasher, self.budget, first_block=state.blocks
        )
        if not got.size:
            return upload
        if got.single is None:
            return await self._commit(upload, state, got.size, got.block_ids, hasher)
        assert hasher is not None, "an empty upload can always be hashed"
        whole = hasher.digest()
        await self._content.put(whole, got.single)
        state = replace(state, hash_state=hasher.export_state(), whole=whole, blocks=1)
        return replace(upload, offset=got.size, state=state.encode())

    async def _commit(
        self,
        upload: Upload,
        before: UploadState,
        size: int,
        block_ids: Sequence[str],
        hasher: Hasher | None,
    ) -> Upload:
        """Commit what was committed and ``block_ids``, on condition that nobody else did since."""
        offset = upload.offset + size
        try:
            known, condition = await self._committed(upload, before)
        except NotFound:
            raise UploadOutOfOrder(await self.get_upload(upload)) from None
        block_ids = [*known, *block_ids]
        carried = hasher.export_state() if hasher else None
        state = UploadState(before.algorithm, carried, blocks=len(block_ids))
        try:
            etag = await self.shelf.store.commit(
                self._path(upload),
                block_ids,
                metadata=upload_metadata(offset, state),
                condition=condition,
            )
        except (ConditionFailed, BlockListInvalid):
            etag = await self._committed_before(upload, block_ids)
        return replace(upload, offset=offset, state=replace(state, etag=etag).encode())

    async def _committed_before(self, upload: Upload, block_ids: Sequence[str]) -> str:
        """The ETag, if it was this very commit that took place and only its answer was lost.

        :raises UploadOutOfOrder: it was another one.
        """
        with suppress(NotFound):
            etag, committed = await self.shelf.store.committed_blocks(self._path(upload))
            if list(committed) == list(block_ids):
                return etag
        raise UploadOutOfOrder(await self.get_upload(upload))

    async def _committed(
        self, upload: Upload, state: UploadState
    ) -> tuple[Sequence[str], Condition]:
        """The blocks that hold what arrived before, and what must hold for a commit to follow."""
        if state.etag is not None:
            _, known = await self.shelf.store.committed_blocks(self._path(upload))
            return known, if_match(state.etag)
        if state.whole is not None:
            first = block_id(new_nonce(), 0)
            source = self.shelf.layout.content(state.whole)
            await self.shelf.store.stage_from(self._path(upload), first, source)
            return [first], IF_ABSENT
        return [], IF_ABSENT

    async def finish_upload(self, upload: Upload, digest: Digest, chunk: Chunk) -> Descriptor:
        await self._check_start(upload, chunk)
        if upload.offset == 0:
            size = await self._content.receive(digest, chunk, self.budget)
            return await self.shelf.link_blob(upload.repository, digest, size)
        try:
            upload = await self.append_upload(upload, chunk)
            state = UploadState.of(upload)
            await self._verify(upload, state, digest)
            if state.whole != digest:
                await self._publish(upload, state, digest)
        except (NotFound, BlobUploadUnknown):
            return await self._finished_before(upload, digest)
        blob = await self.shelf.link_blob(upload.repository, digest, upload.offset)
        await self._discard(upload, state)
        return blob

    async def _verify(self, upload: Upload, state: UploadState, digest: Digest) -> None:
        """:raises DigestInvalid: and gives the upload up. :raises NotFound: its data are gone."""
        actual = state.digest(digest.algorithm, upload.offset)
        if actual is None:
            path, etag = self._data(upload, state)
            actual = await self._content.hash(path, upload.offset, digest.algorithm, etag)
        if actual != digest:
            await self._discard(upload, state)
            raise DigestInvalid(f"the content's digest is {actual}, not {digest}")

    async def _publish(self, upload: Upload, state: UploadState, digest: Digest) -> None:
        if state.whole is not None:  # of another algorithm, and no larger than one block
            path = self.shelf.layout.content(state.whole)
            await self._content.put(digest, (await self.shelf.store.get(path)).content)
        elif not await self._content.copy(digest, self._path(upload), upload.offset, state.etag):
            raise UploadOutOfOrder(await self.get_upload(upload))

    async def _finished_before(self, upload: Upload, digest: Digest) -> Descriptor:
        """An upload that is gone may be one whose answer was lost: then it succeeds again."""
        try:
            return await self.shelf.find_blob(upload.repository, digest)
        except NotFound:
            raise _unknown(upload) from None

    async def _discard(self, upload: Upload, state: UploadState) -> None:
        if state.etag is None:
            return
        try:
            await self.shelf.store.delete(self._path(upload), condition=if_match(state.etag))
        except (NotFound, ConditionFailed):
            return  # a request at the same time has given it up, or gone on with it
        except StoreUnavailable as error:
            # The blob is safe; what is left over is for the purge of old uploads.
            _log.warning("upload %s of %s is left behind: %s", upload.id, upload.repository, error)

    async def _check_start(self, upload: Upload, chunk: Chunk) -> None:
        if chunk.start is not None and chunk.start != upload.offset:
            raise UploadOutOfOrder(await self.get_upload(upload))

    def _path(self, upload: Upload) -> str:
        return self.shelf.layout.upload(upload.repository, upload.id)

    def _data(self, upload: Upload, state: UploadState) -> tuple[str, str | None]:
        """Where the bytes lie, and the ETag they must have there."""
        if state.whole is not None:
            return self.shelf.layout.content(state.whole), None
        return self._path(upload), state.etag


def _unknown(upload: Upload) -> BlobUploadUnknown:
    return BlobUploadUnknown(f"upload {upload.id} of {upload.repository} is finished or given up")
