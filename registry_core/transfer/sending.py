"""The bytes of one blob: fetched by the target's storage, staged there, or sent to the target."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from ..aio import run_to_completion
from ..registry import Blob, Chunk, Upload
from ..spec.descriptor import Descriptor
from ..spec.errors import (
    BlobUnknown,
    Denied,
    DigestInvalid,
    NameUnknown,
    RegistryError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from ..spec.staging import Staging
from .bodies import VerifiedBody
from .errors import NotFetched, SourceBlobMissing, SourceContentInvalid
from .options import BlobFetcher, Renew, StagedSender
from .place import Place, Source, Target
from .progress import Meter
from .report import Outcome
from .run import FETCH_FROM, STAGE_FROM, CopyRun, retry_after

# Seconds that the target may take to hash what was staged.
_HASHING = 4 * 3600.0
# Seconds that cancelling a failed upload may take.
_CANCELLING = 10.0


@dataclass(frozen=True)
class BlobSender:
    """Brings the bytes of blobs from a source to a target, whatever way is shortest."""

    source: Place[Source]
    target: Place[Target]
    run: CopyRun
    meter: Meter

    async def open(self, blob: Descriptor) -> Blob:
        """Return a blob of the source.

        :raises SourceBlobMissing:
        :raises SourceContentInvalid: it has another size.
        """
        try:
            opened = await self.source.registry.open_blob(self.source.repository, blob.digest)
        except (BlobUnknown, NameUnknown) as error:
            raise SourceBlobMissing(self.source, blob.digest, error) from error
        if opened.descriptor.size != blob.size:
            raise SourceContentInvalid(
                f"{self.source} has {opened.descriptor.size} bytes for the blob {blob.digest}; "
                f"the manifest says {blob.size}"
            )
        return opened

    async def send(self, blob: Descriptor) -> Outcome:
        """Make a blob of the source one of the target, and return how.

        :raises SourceBlobMissing, SourceContentInvalid: as for `open`, and for wrong content.
        :raises NotFetched: storage cannot fetch the blob, and its bytes must not pass through here.
        """
        opened = await self.open(blob)
        can_stage = self.target.authority not in self.run.without_staging
        fetcher, sender = self.run.fetcher, self.run.sender
        if fetcher is not None and blob.size >= FETCH_FROM:
            if can_stage and await self._fetch(fetcher, opened, blob):
                return Outcome.FETCHED
            if self.run.must_fetch:
                raise NotFetched(
                    f"the storage of {self.target} cannot fetch the blob {blob.digest} from "
                    f"{self.source} by itself; allow that its bytes pass through this machine"
                )
        is_staged = (
            sender is not None
            and blob.size >= STAGE_FROM
            and can_stage
            and await self._stage(sender, opened, blob)
        )
        if not is_staged:
            await self._stream(opened, blob)
        return Outcome.COPIED

    async def _fetch(self, fetcher: BlobFetcher, opened: Blob, blob: Descriptor) -> bool:
        """Have storage fetch a blob; return whether it has."""
        self.meter.restart(blob)
        async with self._new_upload(blob) as upload:
            staging = await self._open_staging(upload)
            if staging is not None:
                count = partial(self.meter.fetched, blob)
                blocks = await fetcher.fetch(opened, staging, self._renew(upload), count)
                if blocks is not None:
                    await self._finish_staged(upload, blob, blocks)
                    return True
            await self._cancel(upload)
            return False

    async def _stage(self, sender: StagedSender, opened: Blob, blob: Descriptor) -> bool:
        """Send a blob straight to storage; return whether it could be."""
        async with self._new_upload(blob) as upload, self._read(opened, blob) as body:
            staging = await self._open_staging(upload)
            blocks = None
            if staging is not None:
                try:
                    blocks = await sender.send(body, blob.size, staging, self._renew(upload))
                except (Denied, Unauthorized):  # such as by a firewall of the storage
                    body.check()
                    self.run.without_staging.add(self.target.authority)
            if blocks is None:
                await self._cancel(upload)
                return False
            body.check()
            await self._finish_staged(upload, blob, blocks)
            return True

    async def _stream(self, opened: Blob, blob: Descriptor) -> None:
        """Send a blob to the registry."""
        async with self._new_upload(blob) as upload, self._read(opened, blob) as body:
            await self.target.registry.finish_upload(
                upload, blob.digest, Chunk(body, length=blob.size)
            )

    @asynccontextmanager
    async def _read(self, opened: Blob, blob: Descriptor) -> AsyncIterator[VerifiedBody]:
        """Read a blob. If the source is at fault, that is the error, whatever the target says."""
        self.meter.restart(blob)
        body = VerifiedBody(str(self.source), opened, blob, partial(self.meter.read, blob))
        try:
            yield body
        except RegistryError:
            body.check()
            raise
        finally:
            await body.close()

    async def _open_staging(self, upload: Upload) -> Staging | None:
        staging = await self.target.registry.open_staging(upload)
        if staging is None:
            self.run.without_staging.add(self.target.authority)
        return staging

    @asynccontextmanager
    async def _new_upload(self, blob: Descriptor) -> AsyncIterator[Upload]:
        """Begin an upload, and cancel it if it is not finished."""
        algorithm = blob.digest.algorithm
        upload = await self.target.registry.start_upload(self.target.repository, algorithm)
        try:
            yield upload
        except BaseException:
            # Also where this copy was cancelled: nothing should be left behind.
            await run_to_completion(self._cancel(upload))
            raise

    async def _cancel(self, upload: Upload) -> None:
        with suppress(RegistryError, TimeoutError):  # what is left expires
            async with asyncio.timeout(_CANCELLING):
                await self.target.registry.cancel_upload(upload)

    def _renew(self, upload: Upload) -> Renew:
        async def renew() -> Staging:
            staging = await self.target.registry.open_staging(upload)
            if staging is None:
                raise Unavailable(f"{self.target} does not stage uploads any more")
            return staging

        return renew

    async def _finish_staged(self, upload: Upload, blob: Descriptor, blocks: int) -> None:
        """Have the target make staged blocks a blob. Takes as long as it hashes them."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _HASHING
        while True:
            try:
                await self.target.registry.finish_staged_upload(upload, blob.digest, blocks)
            except TooManyRequests as error:
                if loop.time() > end:
                    raise
                await self.run.sleep(retry_after(error) or 1.0)
            except DigestInvalid as error:
                raise SourceContentInvalid(
                    f"what was staged from {self.source} for the blob {blob.digest} does not have "
                    "that digest; if it happens again, the source is damaged"
                ) from error
            else:
                return
