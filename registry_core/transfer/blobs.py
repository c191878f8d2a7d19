"""Blobs copied, each once: found at the target, mounted, or sent."""

from __future__ import annotations

from dataclasses import dataclass

from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.errors import BlobUnknown, Denied, NameUnknown, Unauthorized, Unsupported
from .errors import SourceBlobMissing
from .place import Place, Source, Target
from .progress import Meter
from .report import Outcome, Tally
from .run import CopyRun, Filled
from .sending import BlobSender


@dataclass(frozen=True)
class BlobCopier:
    """Copies blobs from one place to another."""

    source: Place[Source]
    target: Place[Target]
    run: CopyRun
    tally: Tally
    meter: Meter

    async def copy(self, blob: Descriptor, *, required: bool = True) -> bool:
        """Make a blob of the source one of the target, unless it is.

        :param required: False: the source need not have it. Then returns whether it has.
        :raises SourceBlobMissing:
        :raises SourceContentInvalid: what the source has is something else.
        :raises NotFetched: storage cannot fetch it, and its bytes must not pass through here.
        """
        try:
            await self.run.blobs.get(self._key(blob.digest), lambda: self._copy(blob))
        except SourceBlobMissing:
            if required:
                raise
            self.tally.count_blob(Outcome.ABSENT, blob.size)
            return False
        return True

    def forget(self, digest: Digest) -> None:
        """Look for a blob at the target again, the next time it is needed."""
        self.run.blobs.forget(self._key(digest))

    def _key(self, digest: Digest) -> Filled:
        return Filled.of(self.target, digest)

    async def _copy(self, blob: Descriptor) -> None:
        self.meter.found(blob)
        try:
            async with self.run.slots:
                outcome = await self._bring(blob)
        except BaseException:
            self.meter.abandon(blob)
            raise
        self.meter.finish(blob)
        self.tally.count_blob(outcome, blob.size)
        if not self.tally.dry_run:
            self.run.note_blob(self.target, blob.digest)

    async def _bring(self, blob: Descriptor) -> Outcome:
        if await self._is_there(blob):
            return Outcome.PRESENT
        for origin in self._origins(blob.digest):
            if self.tally.dry_run or await self._mount(blob.digest, origin):
                return Outcome.MOUNTED
        return await self._send(blob)

    async def _is_there(self, blob: Descriptor) -> bool:
        """Return whether the target has a blob; one of another size is incomplete."""
        try:
            found = await self.target.registry.resolve_blob(self.target.repository, blob.digest)
        except (BlobUnknown, NameUnknown):
            return False
        return found.size == blob.size

    def _origins(self, digest: Digest) -> list[str]:
        """Return the repositories from which the target may be able to mount a blob."""
        found = {self.run.repository_with(self.target, digest)}
        is_same_registry = self.source.authority == self.target.authority
        if is_same_registry and self.source.repository != self.target.repository:
            found.add(self.source.repository)
        return sorted(name for name in found if name)

    async def _mount(self, digest: Digest, origin: str) -> bool:
        registry, repository = self.target.registry, self.target.repository
        try:
            await self.run.attempt(lambda: registry.mount_blob(repository, digest, origin))
        except (BlobUnknown, NameUnknown, Denied, Unauthorized, Unsupported):
            return False  # it was deleted there, or may not be read: its bytes are sent
        return True

    async def _send(self, blob: Descriptor) -> Outcome:
        sender = BlobSender(self.source, self.target, self.run, self.meter)
        if self.tally.dry_run:
            await sender.open(blob)
            return Outcome.COPIED
        attempts = 0

        async def send() -> Outcome:
            nonlocal attempts
            attempts += 1
            if attempts > 1 and await self._is_there(blob):
                return Outcome.COPIED  # only the answer was lost
            return await sender.send(blob)

        return await self.run.attempt(send)
