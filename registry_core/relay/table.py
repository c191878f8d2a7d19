"""The uploads in progress, by the ids that their clients have."""

from __future__ import annotations

import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ..spec.digest import Digest
from ..spec.endpoints import FinishUpload, UploadEndpoint
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
        self._finished: dict[tuple[str, str, str, Digest | None], Answered] = {}

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
    async def opened(self, endpoint: UploadEndpoint) -> AsyncIterator[RelayedUpload]:
        """Return the upload of a request; other requests wait.

        :raises BlobUploadUnknown: the upload does not exist, or no longer, or the key is wrong.
        """
        async with self._find(endpoint).lock:
            upload = self._find(endpoint)  # it may have been ended meanwhile
            try:
                yield upload
            finally:
                if upload.id in self._entries:
                    self._entries[upload.id].used = time.monotonic()

    async def finish(self, upload: RelayedUpload, digest: Digest, answer: Answered) -> None:
        """Remove an upload that has become a blob, and remember the registry's answer."""
        await self.end(upload)
        self._finished[upload.begun.repository, upload.id, upload.key, digest] = answer
        if len(self._finished) > FINISHED:
            del self._finished[next(iter(self._finished))]

    def finished(self, endpoint: FinishUpload) -> Answered | None:
        """Return the answer to an upload that was finished a while ago; None if it was not."""
        key = _key(endpoint)
        return self._finished.get((endpoint.repository, endpoint.upload_id, key, endpoint.digest))

    async def end(self, upload: RelayedUpload) -> None:
        """Remove an upload and what it holds."""
        self._entries.pop(upload.id, None)
        await upload.abort()

    def _find(self, endpoint: UploadEndpoint) -> RelayedUpload:
        entry = self._entries.get(endpoint.upload_id)
        if entry is not None:
            upload = entry.upload
            is_known = hmac.compare_digest(upload.key.encode(), _key(endpoint).encode())
            if is_known and upload.begun.repository == endpoint.repository:
                return upload
        raise BlobUploadUnknown(
            "the relay does not know this upload: it was finished or cancelled, or the relay has "
            "been restarted since; push again"
        )


def _key(endpoint: UploadEndpoint) -> str:
    return endpoint.state.partition(".")[2]
