"""The bytes of one blob: fetched by the target's storage, or sent to the target."""

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
    DigestInvalid,
    NameUnknown,
    RegistryError,
    TooManyRequests,
    Unavailable,
)
from ..spec.staging import Staging
from .bodies import VerifiedBody
from .errors import NotFetched, SourceBlobMissing, SourceContentInvalid
from .options import BlobFetcher, Renew
from .place import Place, Source, Target
from .progress import Meter
from .report import Outcome
from .run import FETCH_FROM, CopyRun, retry_after

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
        fetcher = self.run.fetcher
        if fetcher is not None and blob.size >= FETCH_FROM:
            if await self._fetch(fetcher, opened, blob):
                return Outcome.FETCHED
            if self.run.must_fetch:
                raise NotFetched(
                    f"the storage of {self.target} cannot fetch the blob {blob.digest} from "
                    f"{self.source} by itself; allow that its bytes pass through this machine"
                )
        await self._stream(opened, blob)
        return Outcome.COPIED

    async def _fetch(self, fetcher: BlobFetcher, opened: Blob, blob: Descriptor) -> bool:
        """Have storage fetch a blob; return whether it has."""
        if self.target.authority in self.run.without_staging:
            return False
        self.meter.restart(blob)
        async with self._new_upload(blob) as upload:
            staging = await self.target.registry.open_staging(upload)
            if staging is None:
                self.run.without_staging.add(self.target.authority)
            else:
                count = partial(self.meter.fetched, blob)
                blocks = await fetcher.fetch(opened, staging, self._renew(upload), count)
                if blocks is not None:
                    await self._finish_staged(upload, blob, blocks)
                    return True
            await self._cancel(upload)
            return False

    async def _stream(self, opened: Blob, blob: Descriptor) -> None:
        """Send a blob to the target, which takes the bytes of a large one to storage if it can."""
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

    @asynccontextmanager
    async def _new_upload(self, blob: Descriptor) -> AsyncIterator[Upload]:
        """Begin an upload, and cancel it if it is not finished."""
        registry, repository = self.target.registry, self.target.repository
        beginning = asyncio.ensure_future(registry.start_upload(repository, blob.digest.algorithm))
        try:
            yield await asyncio.shield(beginning)
        except BaseException:
            # Also where this copy was cancelled, even before it knew the upload.
            await run_to_completion(self._discard(beginning))
            raise

    async def _discard(self, upload: asyncio.Future[Upload]) -> None:
        """Cancel an upload, even one that is just being begun."""
        with suppress(RegistryError, TimeoutError):
            async with asyncio.timeout(_CANCELLING):
                await self._cancel(await upload)

    async def _cancel(self, upload: Upload) -> None:
        with suppress(RegistryError):  # what is left expires
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
