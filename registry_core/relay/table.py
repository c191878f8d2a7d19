"""The uploads in progress, by the ids that their clients have."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ..spec.digest import Digest
from ..spec.errors import BlobUploadUnknown
from .uploads import RelayedUpload
from .upstream import Answered

MOST = 1000
"""Uploads at a time; the one that has waited longest goes first."""
IDLE = 3600.0
"""In seconds: how long an upload may wait for its next request."""


FINISHED = 1000
"""How many finished uploads are remembered, for clients that lost the answer."""


@dataclass
class _Entry:
    upload: RelayedUpload
    used: float = field(default_factory=time.monotonic)


class UploadTable:
    """The uploads in progress. A restart of the relay ends them all."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._finished: dict[tuple[str, str, Digest], Answered] = {}

    def __len__(self) -> int:
        return len(self._entries)

    async def add(self, upload: RelayedUpload) -> None:
        """Add an upload, and end those that have waited for too long."""
        now = time.monotonic()
        waiting = [entry for entry in self._entries.values() if not entry.upload.lock.locked()]
        waiting.sort(key=lambda entry: entry.used)
        too_many = max(len(self._entries) + 1 - MOST, 0)
        for index, entry in enumerate(waiting):
            if index < too_many or now - entry.used > IDLE:
                await self.end(entry.upload)
        self._entries[upload.id] = _Entry(upload)

    @asynccontextmanager
    async def opened(self, repository: str, upload_id: str) -> AsyncIterator[RelayedUpload]:
        """Return an upload for one request; others wait.

        :raises BlobUploadUnknown: there is no such upload, or no longer.
        """
        async with self._find(repository, upload_id).lock:
            upload = self._find(repository, upload_id)  # it may have been ended meanwhile
            try:
                yield upload
            finally:
                if upload.id in self._entries:
                    self._entries[upload.id].used = time.monotonic()

    async def finish(self, upload: RelayedUpload, digest: Digest, answer: Answered) -> None:
        """Remove an upload that has become a blob, and remember the registry's answer."""
        await self.end(upload)
        self._finished[upload.begun.repository, upload.id, digest] = answer
        if len(self._finished) > FINISHED:
            del self._finished[next(iter(self._finished))]

    def finished(self, repository: str, upload_id: str, digest: Digest) -> Answered | None:
        """Return the answer to an upload that was finished a while ago; None if it was not."""
        return self._finished.get((repository, upload_id, digest))

    async def end(self, upload: RelayedUpload) -> None:
        """Remove an upload and what it holds."""
        self._entries.pop(upload.id, None)
        await upload.abort()

    def _find(self, repository: str, upload_id: str) -> RelayedUpload:
        entry = self._entries.get(upload_id)
        if entry is None or entry.upload.begun.repository != repository:
            raise BlobUploadUnknown(
                "the relay does not know this upload: it was finished or cancelled, or the relay "
                "has been restarted since; push again"
            )
        return entry.upload
