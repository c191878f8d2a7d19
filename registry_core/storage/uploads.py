"""Uploads: any instance can serve any request of one.

The state of an upload is a value that travels with the client and is stored beside the data. The
states, and what moves an upload from one to the next (the rule: bytes are committed only at the end
of a request that brought all that it announced, and published only once their hash is known):

======  ====================================  ==================================================
state   what storage holds                    next
======  ====================================  ==================================================
EMPTY   nothing                               a piece of one block: WHOLE; a larger one: STAGED
WHOLE   the bytes at their content address    another piece: STAGED, the bytes its first block
STAGED  the bytes at ``_uploads/.../data``    another piece: STAGED, with another ETag
any                                           finished: a blob; cancelled, wrong digest: gone
======  ====================================  ==================================================

Storage calls: none to start; one to append or finish with a body that fits in one block; a stage
for each block and one commit otherwise, after a look whether it is there where the digest is known;
one copy to publish what was committed before its digest was known. A look at what was put at its
address more than half an hour ago, and a mark for an upload that may be finished only once.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from ..aio import Budget, off_loop
from ..object_store.errors import BlockListInvalid, ConditionFailed, NotFound, TooLarge
from ..object_store.interface import IF_ABSENT, Condition, delete_if, if_match
from ..registry import Body, Chunk, Upload, UploadOutOfOrder
from ..spec.descriptor import Descriptor
from ..spec.digest import SHA256, Digest, Hasher
from ..spec.errors import BlobUploadUnknown, DigestInvalid
from ..spec.image_config import ImageConfig, parse_image_config
from ..spec.staging import block_id
from .content import Content
from .ingest import BLOCK, Ingested, Target, ingest, new_nonce
from .links import Link, read_link
from .membership import Membership
from .upload_state import UploadState, stored_upload, upload_metadata

T = TypeVar("T")

# Bytes of all uploads. A block that is still being received does not count, so that slow clients do
# not hold up others.
_IN_FLIGHT = 16 * BLOCK

_Committed = tuple[Sequence[str], Condition]


@dataclass
class Uploads:
    """`Writer`'s uploads over the object store. ``now``: Unix time."""

    membership: Membership
    content: Content
    budget: Budget = field(default_factory=lambda: Budget(_IN_FLIGHT))
    now: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self._store = self.membership.store
        self._layout = self.membership.layout

    async def start_upload(self, repository: str, algorithm: str = SHA256) -> Upload:
        """See `Writer`. No call."""
        state = "" if algorithm == SHA256 else UploadState(algorithm).encode()
        return Upload(repository, str(uuid.uuid4()), 0, state)

    async def get_upload(self, upload: Upload) -> Upload:
        """See `Writer`. One call."""
        try:
            properties = await self._store.head(self._path(upload))
        except NotFound:
            if UploadState.of(upload).etag is None:
                return upload
            raise _unknown(upload) from None
        return replace(stored_upload(upload, properties), once=upload.once)

    async def cancel_upload(self, upload: Upload) -> None:
        """See `Writer`. One call."""
        is_stored = await delete_if(self._store, self._path(upload))
        if not is_stored and UploadState.of(upload).etag is not None:
            raise _unknown(upload)

    async def append_upload(self, upload: Upload, chunk: Chunk) -> Upload:
        """See `Writer`."""
        await self._check_start(upload, chunk)
        state = UploadState.of(upload)
        hasher = state.hasher(upload.offset)
        async with aclosing(_WithBody(lambda: self._committed(upload, state))) as earlier:
            chunk = replace(chunk, body=earlier.received(chunk.body))
            got = await ingest(
                self._store,
                Target.at(self._path(upload)),
                chunk,
                hasher,
                self.budget,
                first_block=state.blocks,
                offset=upload.offset,
            )
            if not got.size:
                return upload
            if got.refusal:
                raise got.refusal
            if got.single is None:
                return await self._commit(upload, state, got, earlier, hasher)
        assert hasher is not None, "an empty upload can always be hashed"
        whole = hasher.digest()
        await self.content.put(whole, got.single)
        state = replace(
            state,
            hash_state=hasher.export_state(),
            whole=whole,
            image=parse_image_config(got.single),
            blocks=1,
            seen=int(self.now()),
        )
        return replace(upload, offset=got.size, state=state.encode())

    async def _commit(
        self,
        upload: Upload,
        before: UploadState,
        got: Ingested,
        earlier: _WithBody[_Committed],
        hasher: Hasher | None,
    ) -> Upload:
        """Commit the earlier blocks and those staged now, unless another request did meanwhile.

        :raises UploadOutOfOrder: another request did.
        :raises BlobUploadUnknown: the earlier bytes are gone.
        """
        offset = upload.offset + got.size
        try:
            known, condition = await earlier.result()
        except NotFound:
            if before.whole is not None:  # deleted from its address since
                raise _unknown(upload) from None
            raise UploadOutOfOrder(await self.get_upload(upload)) from None
        block_ids = [*known, *got.block_ids]
        exported = hasher.export_state() if hasher else None
        state = UploadState(before.algorithm, exported, blocks=len(block_ids))
        try:
            etag = await self._store.commit(
                self._path(upload),
                block_ids,
                metadata=upload_metadata(offset, state),
                condition=condition,
            )
        except (ConditionFailed, BlockListInvalid):
            etag = await self._committed_before(upload, block_ids)
        return replace(upload, offset=offset, state=replace(state, etag=etag).encode())

    async def _committed_before(self, upload: Upload, block_ids: Sequence[str]) -> str:
        """Return the ETag if it was this very commit that took place, and its answer was lost.

        :raises UploadOutOfOrder: it was another one.
        """
        with suppress(NotFound):
            etag, committed = await self._store.committed_blocks(self._path(upload))
            if list(committed) == list(block_ids):
                return etag
        raise UploadOutOfOrder(await self.get_upload(upload))

    async def _committed(self, upload: Upload, state: UploadState) -> _Committed:
        """Return the blocks that hold what arrived before, and the condition of the next commit."""
        if state.etag is not None:
            _, known = await self._store.committed_blocks(self._path(upload))
            return known, if_match(state.etag)
        if state.whole is not None:
            first = block_id(new_nonce(), 0)
            source = self._layout.content(state.whole)
            await self._store.stage_from(self._path(upload), first, source)
            return [first], IF_ABSENT
        return [], IF_ABSENT

    async def finish_upload(self, upload: Upload, digest: Digest, chunk: Chunk) -> Descriptor:
        """See `Writer`."""
        await self._check_start(upload, chunk)
        if upload.offset == 0:
            instead = self._layout.upload(upload.repository, str(uuid.uuid4()))
            got = await self.content.receive(digest, chunk, self.budget, instead=instead)
            image = parse_image_config(got.single) if got.single else None
            return await self.link(upload, digest, got.size, image, observed=got.received)
        try:
            upload = await self.append_upload(upload, chunk)
            state = UploadState.of(upload)
            await self._verify(upload, state, digest)
            observed = self.membership.clock()
            if state.whole != digest:
                await self._publish(upload, state, digest)
        except (NotFound, BlobUploadUnknown):
            return await self.finished_before(upload, digest)
        observed -= await self._check_seen(upload, state)
        blob = await self.link(upload, digest, upload.offset, state.image, observed=observed)
        await self._discard(upload, state)
        return blob

    async def _check_seen(self, upload: Upload, state: UploadState) -> float:
        """Observe what was put at its address long ago: nothing keeps it there before the link.

        Return how many seconds ago that was observed, or put there.

        :raises BlobUploadUnknown: it is gone.
        """
        ago = self.now() - state.seen
        if state.whole is None or 0 <= ago <= self.membership.relied_on:
            return ago if state.whole else 0.0
        if not await self.content.is_whole(state.whole, upload.offset):
            raise _unknown(upload)
        return 0.0

    async def link(
        self,
        upload: Upload,
        digest: Digest,
        size: int,
        image: ImageConfig | None,
        *,
        observed: float,
    ) -> Descriptor:
        """Make the content, observed at that time, a blob of the upload's repository.

        :raises BlobUploadUnknown: the upload may make one blob only, and has made another one.
        """
        if upload.once:
            await self._mark_finished(upload, digest)
        return await self.membership.link_blob(
            upload.repository, digest, size, image, observed=observed
        )

    async def _mark_finished(self, upload: Upload, digest: Digest) -> None:
        """Record which blob an upload makes that may make one only. One call, two if it has."""
        path = self._layout.finished_upload(upload.repository, upload.id)
        try:
            await self._store.put(path, Link(digest).content, condition=IF_ABSENT)
        except ConditionFailed:
            with suppress(NotFound):
                if (await read_link(self._store, path)).digest == digest:
                    return
            raise _unknown(upload) from None

    async def _verify(self, upload: Upload, state: UploadState, digest: Digest) -> None:
        """Check what arrived against the digest; if it differs, cancel the upload.

        :raises DigestInvalid: it differs. :raises NotFound: the data are gone.
        """
        actual = state.digest(digest.algorithm, upload.offset)
        if actual is None:
            path, etag = self._data(upload, state)
            actual = await self.content.hash(path, upload.offset, digest.algorithm, etag)
        if actual != digest:
            await self._discard(upload, state)
            raise DigestInvalid(f"the content's digest is {actual}, not {digest}")

    async def _publish(self, upload: Upload, state: UploadState, digest: Digest) -> None:
        """Put what arrived at the digest's address.

        :raises NotFound: the data are gone. :raises UploadOutOfOrder: they have changed.
        """
        if state.whole is None:
            if not await self.content.copy(digest, self._path(upload), upload.offset, state.etag):
                raise UploadOutOfOrder(await self.get_upload(upload))
            return
        # Of another algorithm, and no larger than one block.
        path = self._layout.content(state.whole)
        try:
            content = (await self._store.get(path, limit=upload.offset)).content
        except TooLarge as error:
            raise NotFound(f"{path} is damaged") from error
        if await off_loop(len(content), Digest.of, content, digest.algorithm) != digest:
            raise NotFound(f"{path} is damaged")
        await self.content.put(digest, content)

    async def finished_before(self, upload: Upload, digest: Digest) -> Descriptor:
        """An upload that is gone may be one whose answer was lost: then it succeeds again.

        Unless the blob was deleted since, which a cached link would not say.
        """
        try:
            found = await self.membership.verify_blob(upload.repository, digest, generation="")
            return found.descriptor
        except NotFound:
            raise _unknown(upload) from None

    async def _discard(self, upload: Upload, state: UploadState) -> None:
        if state.etag is not None:
            # If it is another one by now, a request at the same time has continued the upload.
            await self.content.discard(self._path(upload), state.etag)

    async def _check_start(self, upload: Upload, chunk: Chunk) -> None:
        if chunk.start is not None and chunk.start != upload.offset:
            raise UploadOutOfOrder(await self.get_upload(upload))

    def _path(self, upload: Upload) -> str:
        return self._layout.upload(upload.repository, upload.id)

    def _data(self, upload: Upload, state: UploadState) -> tuple[str, str | None]:
        """Return the path of what arrived, and the ETag that it must have there."""
        if state.whole is not None:
            return self._layout.content(state.whole), None
        return self._path(upload), state.etag


@dataclass
class _WithBody(Generic[T]):
    """What ``begin`` makes runs while a body is received, from its first byte on."""

    begin: Callable[[], Coroutine[Any, Any, T]]
    _task: asyncio.Task[T] | None = None

    async def received(self, body: Body) -> AsyncGenerator[bytes, None]:
        """Yield the body."""
        async for piece in body:
            if piece and self._task is None:
                self._task = asyncio.create_task(self.begin())
            yield piece

    async def result(self) -> T:
        """Return the coroutine's result. The body was not empty."""
        assert self._task is not None
        return await self._task

    async def aclose(self) -> None:
        """Cancel what still runs."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def _unknown(upload: Upload) -> BlobUploadUnknown:
    return BlobUploadUnknown(f"upload {upload.id} of {upload.repository} is finished or cancelled")
