"""Content that a client pushes straight to storage, where the registry offers it: our extension.

See `spec.staging`. Whatever is not small is pushed this way, if the client can reach storage:
neither a limit of the registry's host nor its compute is in the way then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from ..aio import Budget
from ..registry import Chunk, DirectUpload, Upload, UploadOutOfOrder
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.errors import (
    BlobUploadInvalid,
    BlobUploadUnknown,
    RegistryError,
    TooManyRequests,
)
from ..spec.media_types import bare
from ..spec.names import parse_name
from ..spec.retry_after import find_retry_after
from ..spec.staging import STAGING, Staging
from .blobs import Blobs
from .chunks import ChunkedBody
from .meanings import AnswerMalformed, about, is_passing, malformed
from .session import Session
from .staged_upload import BlockStager, block_length
from .uploads import Uploads, with_query

_log = logging.getLogger(__name__)

# Bytes of blocks in memory, besides the one that each upload fills.
_UNDER_WAY = 128 * 2**20

_MAX_STAGING_BYTES = 64 * 2**10

# How often the registry may ask for more time to hash what was staged. Each time it goes on.
_MOST_CALLS = 1000
_LONGEST_WAIT = 30.0  # seconds


@dataclass
class Staged:
    """`Stager`'s methods, and `Writer.finish_upload`, which stages what is not small.

    ``reaches_storage``: whether it is worth a try. ``budget``: the bytes that may be under way in
    all uploads together.
    """

    session: Session
    uploads: Uploads
    blobs: Blobs
    reaches_storage: bool = True
    budget: Budget = field(default_factory=lambda: Budget(_UNDER_WAY))

    async def open_staging(self, upload: Upload) -> Staging | None:
        """See `Stager`. One GET; other registries answer it as any request for an upload.

        None, too, where they refuse that: the next request for the upload shows why.
        """
        try:
            return await self._open(upload)
        except (BlobUploadInvalid, AnswerMalformed):
            raise
        except RegistryError:
            return None

    async def _open(self, upload: Upload) -> Staging | None:
        """Return where an upload is staged; None where the registry has no staging.

        :raises RegistryError: it refuses to answer.
        :raises UrlRefused: it may not send its clients where it says.
        """
        if not self.uploads.is_own(upload):
            return None  # its Location is on a host that is not the registry's
        url = with_query(upload.state, staging=1)
        answered = (HTTPStatus.OK, HTTPStatus.NO_CONTENT, HTTPStatus.ACCEPTED)
        with about(self.session, upload.repository, BlobUploadUnknown, "the upload"):
            async with self.uploads.request("GET", upload, url, ok=answered) as answer:
                if bare(answer.headers.get("Content-Type", "")) != STAGING:
                    return None
                try:
                    staging = Staging.parse(await answer.read(_MAX_STAGING_BYTES))
                except ValueError as error:
                    raise malformed(f"where to stage blocks: {error}") from error
                self.session.check_url(staging.url)
                return staging

    async def finish_staged_upload(self, upload: Upload, digest: Digest, blocks: int) -> Descriptor:
        """See `Stager`. One PUT, again for as long as the registry hashes, and a HEAD."""
        url = with_query(upload.state, digest=digest, blocks=blocks)
        with about(self.session, upload.repository, BlobUploadUnknown, "the upload"):
            for _ in range(_MOST_CALLS):
                try:
                    await self._put(upload, url)
                    break
                except TooManyRequests as error:
                    await asyncio.sleep(_wait(error))
                except BlobUploadUnknown:
                    if await self.blobs.has(upload.repository, digest):
                        break  # an answer was lost
                    raise
            else:
                raise TooManyRequests("the registry does not come to an end of hashing the content")
            return await self.blobs.resolve_blob(upload.repository, digest)

    async def finish_upload(self, upload: Upload, digest: Digest, chunk: Chunk) -> Descriptor:
        """See `Writer`. Content of more than a block is staged, if the registry offers it.

        After a failure the upload is cancelled, as the body cannot be sent again; not where the
        piece was out of order.
        """
        upload = await self.uploads.at(upload, chunk.start)
        body = ChunkedBody(chunk)
        try:
            return await self._finish(upload, digest, body, chunk.length)
        except UploadOutOfOrder:
            raise
        except BaseException as error:
            if body.received or not (isinstance(error, RegistryError) and is_passing(error)):
                await self.uploads.discard(upload)
            raise

    async def start_direct_upload(self, repository: str) -> DirectUpload | None:
        """See `Stager`: the registry has them for clients that cannot do better."""
        parse_name(repository)
        return None

    async def claim_direct_uploads(
        self, repository: str, wanted: Mapping[Digest, int | None]
    ) -> Collection[Digest]:
        """See `Stager`: there are none, and the registry claims those of other clients."""
        return ()

    async def _finish(
        self, upload: Upload, digest: Digest, body: ChunkedBody, size: int | None
    ) -> Descriptor:
        if self.reaches_storage and not upload.offset:
            first = await body.take(block_length(size or 0))
            blocks = None if body.has_ended else await self._stage(upload, first, body, size)
            if blocks is not None:
                return await self.finish_staged_upload(upload, digest, blocks)
            body.put_back(first)
        return await self.uploads.finish(upload, digest, body)

    async def _stage(
        self, upload: Upload, first: bytes, body: ChunkedBody, size: int | None
    ) -> int | None:
        """Stage the first block and the rest of a body, and return the number of blocks.

        None if the first block cannot be staged, and nothing else has been taken of the body.
        """
        staging = await self.open_staging(upload)
        if staging is None:
            self.reaches_storage = False  # it need not be asked for the next blob
            return None

        async def renew() -> Staging | None:
            return await self._open(upload)

        async with BlockStager(
            self.session, staging, renew, size=size, budget=self.budget
        ) as stager:
            try:
                await stager.add(first)
                await stager.settle()
            except RegistryError as error:
                _log.warning("storage cannot be reached, which is slower: %s", error)
                self.reaches_storage = False
                return None
            async for piece in body.rest():
                await stager.add(piece)
            return await stager.finish()

    async def _put(self, upload: Upload, url: str) -> None:
        created = (HTTPStatus.CREATED,)
        async with self.uploads.request("PUT", upload, url, body=b"", ok=created, retry=True):
            return


def _wait(error: RegistryError) -> float:
    """Return for how many seconds the registry wants to be left alone."""
    seconds = find_retry_after(error.headers)
    return 1.0 if seconds is None else min(seconds, _LONGEST_WAIT)
