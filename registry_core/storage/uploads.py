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
for each block and one commit otherwise; one copy to publish what was committed before its digest
was known.
"""

from __future__ import annotations

import base64
import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..object_store.interface import (
    IF_ABSENT,
    BlockListInvalid,
    Condition,
    ConditionFailed,
    NotFound,
    Properties,
    StoreRefused,
    StoreUnavailable,
    delete_if,
    if_match,
)
from ..registry import Chunk, Upload, UploadOutOfOrder
from ..spec.descriptor import Descriptor
from ..spec.digest import SHA256, Digest, Hasher, new_hasher, resume_hasher
from ..spec.errors import BlobUploadInvalid, BlobUploadUnknown, DigestInvalid
from ..spec.image_config import ImageConfig, parse_image_config
from .content import Content
from .ingest import Budget, block_id, ingest, new_nonce
from .membership import Membership

_log = logging.getLogger(__name__)

_METADATA_OFFSET = "offset"
_METADATA_STATE = "state"


@dataclass(frozen=True)
class UploadState:
    """The state of an upload. Its size is bounded, however many requests the upload takes.

    ``hash_state`` is None where it cannot be exported; then what was committed is read back.
    ``whole`` is the content address in the state WHOLE, ``image`` what the bytes there say if they
    are an image config. ``etag`` is the committed data's in the state STAGED, ``blocks`` how many
    blocks hold what arrived.
    """

    algorithm: str = SHA256
    hash_state: bytes | None = None
    whole: Digest | None = None
    image: ImageConfig | None = None
    etag: str | None = None
    blocks: int = 0

    @classmethod
    def of(cls, upload: Upload) -> UploadState:
        """Return an upload's state.

        :raises BlobUploadInvalid: it is not one that `encode` made.
        """
        if not upload.state:
            return cls()
        try:
            return cls._decode(json.loads(upload.state))
        except (ValueError, KeyError, TypeError) as error:
            raise BlobUploadInvalid("the upload's state cannot be read") from error

    @classmethod
    def _decode(cls, fields: Mapping[str, Any]) -> UploadState:
        return cls(
            fields["a"],
            base64.b64decode(fields["h"], validate=True) if "h" in fields else None,
            Digest.parse(fields["w"]) if "w" in fields else None,
            ImageConfig(**fields["i"]) if "i" in fields else None,
            fields.get("e"),
            int(fields.get("b", "0")),
        )

    def encode(self) -> str:
        """Return the state as text."""
        fields: dict[str, object] = {"a": self.algorithm}
        if self.hash_state is not None:
            fields["h"] = base64.b64encode(self.hash_state).decode()
        if self.whole is not None:
            fields["w"] = str(self.whole)
        if self.image is not None:
            fields["i"] = {name: value for name, value in asdict(self.image).items() if value}
        if self.etag is not None:
            fields["e"] = self.etag
        if self.blocks:
            fields["b"] = str(self.blocks)
        return json.dumps(fields, separators=(",", ":"))

    def hasher(self, offset: int) -> Hasher | None:
        """Return a hasher that has seen ``offset`` bytes; None where they have to be read back."""
        if offset == 0:
            return new_hasher(self.algorithm)
        return None if self.hash_state is None else resume_hasher(self.algorithm, self.hash_state)

    def digest(self, algorithm: str, offset: int) -> Digest | None:
        """Return the digest of what has arrived; None where it has to be read back."""
        hasher = self.hasher(offset) if algorithm == self.algorithm else None
        return hasher.digest() if hasher else None


def upload_metadata(offset: int, state: UploadState) -> Mapping[str, str]:
    """Return the metadata of committed data, for a client that lost the answer.

    They do not have the ETag, which storage makes only then.
    """
    encoded = replace(state, etag=None).encode()
    return {_METADATA_OFFSET: str(offset), _METADATA_STATE: encoded}


def stored_upload(upload: Upload, properties: Properties) -> Upload:
    """Return the upload as its committed data say.

    :raises BlobUploadInvalid: this registry did not write the data.
    """
    try:
        offset = int(properties.metadata[_METADATA_OFFSET])
        encoded = properties.metadata[_METADATA_STATE]
    except (KeyError, ValueError) as error:
        raise BlobUploadInvalid("another registry began the upload") from error
    stored = UploadState.of(Upload(upload.repository, upload.id, offset, encoded))
    state = replace(stored, etag=properties.etag).encode()
    return Upload(upload.repository, upload.id, offset, state)


@dataclass
class Uploads:
    """`Writer`'s uploads over the object store."""

    membership: Membership
    content: Content
    budget: Budget = field(default_factory=Budget)

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
        return stored_upload(upload, properties)

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
        path = self._path(upload)
        got = await ingest(self._store, path, chunk, hasher, self.budget, first_block=state.blocks)
        if not got.size:
            return upload
        if got.refusal:
            raise got.refusal
        if got.single is None:
            return await self._commit(upload, state, got.size, got.block_ids, hasher)
        assert hasher is not None, "an empty upload can always be hashed"
        whole = hasher.digest()
        await self.content.put(whole, got.single)
        image = parse_image_config(got.single)
        exported = hasher.export_state()
        state = replace(state, hash_state=exported, whole=whole, image=image, blocks=1)
        return replace(upload, offset=got.size, state=state.encode())

    async def _commit(
        self,
        upload: Upload,
        before: UploadState,
        size: int,
        block_ids: Sequence[str],
        hasher: Hasher | None,
    ) -> Upload:
        """Commit the blocks before and ``block_ids``, unless another request did meanwhile.

        :raises UploadOutOfOrder: another request did.
        """
        offset = upload.offset + size
        try:
            known, condition = await self._committed(upload, before)
        except NotFound:
            raise UploadOutOfOrder(await self.get_upload(upload)) from None
        block_ids = [*known, *block_ids]
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

    async def _committed(
        self, upload: Upload, state: UploadState
    ) -> tuple[Sequence[str], Condition]:
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
        repository = upload.repository
        if upload.offset == 0:
            got = await self.content.receive(digest, chunk, self.budget)
            image = parse_image_config(got.single) if got.single else None
            return await self.membership.link_blob(repository, digest, got.size, image)
        try:
            upload = await self.append_upload(upload, chunk)
            state = UploadState.of(upload)
            await self._verify(upload, state, digest)
            if state.whole != digest:
                await self._publish(upload, state, digest)
        except (NotFound, BlobUploadUnknown):
            return await self._finished_before(upload, digest)
        blob = await self.membership.link_blob(repository, digest, upload.offset, state.image)
        await self._discard(upload, state)
        return blob

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
        if state.whole is not None:  # of another algorithm, and no larger than one block
            path = self._layout.content(state.whole)
            found = await self._store.get(path, limit=upload.offset)
            await self.content.put(digest, found.content)
        elif not await self.content.copy(digest, self._path(upload), upload.offset, state.etag):
            raise UploadOutOfOrder(await self.get_upload(upload))

    async def _finished_before(self, upload: Upload, digest: Digest) -> Descriptor:
        """An upload that is gone may be one whose answer was lost: then it succeeds again."""
        try:
            return (await self.membership.find_blob(upload.repository, digest)).descriptor
        except NotFound:
            raise _unknown(upload) from None

    async def _discard(self, upload: Upload, state: UploadState) -> None:
        if state.etag is None:
            return
        try:
            # If it fails, a request at the same time has cancelled or continued the upload.
            await delete_if(self._store, self._path(upload), if_match(state.etag))
        except (StoreUnavailable, StoreRefused) as error:
            # The blob is safe; a lifecycle rule deletes old uploads.
            _log.warning("upload %s of %s is left behind: %s", upload.id, upload.repository, error)

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


def _unknown(upload: Upload) -> BlobUploadUnknown:
    return BlobUploadUnknown(f"upload {upload.id} of {upload.repository} is finished or cancelled")
