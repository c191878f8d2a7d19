"""What the copies of one command share: how the bytes go, and what has been copied where."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from ..caches import Cache
from ..registry import UploadOutOfOrder
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.errors import (
    BlobUploadInvalid,
    BlobUploadUnknown,
    RegistryError,
    TooManyRequests,
    Unavailable,
)
from ..spec.manifest import Manifest
from ..spec.retry_after import find_retry_after
from .options import BlobFetcher, CopyOptions
from .place import Place, Target
from .single_flight import SingleFlight

# Manifests that were read lately, such as those of referrers, which are read to check them first.
_MANIFEST_BYTES = 32 * 2**20

T = TypeVar("T")

FETCH_FROM: Final = 64 * 2**10
"""Bytes from which on storage fetches a blob by itself."""

ATTEMPTS: Final = 3
_LONGEST_WAIT = 60.0
# What may go away by itself, or with another upload. Requests have been repeated by then.
TRANSIENT: Final = (
    Unavailable,
    TooManyRequests,
    BlobUploadUnknown,
    BlobUploadInvalid,
    UploadOutOfOrder,
)


@dataclass(frozen=True)
class Filled:
    """Content of one place, such as what a manifest leads to there.

    ``scope`` distinguishes what was copied of it: with or without some of its parts.
    """

    authority: str
    repository: str
    digest: Digest
    scope: object = None

    @classmethod
    def of(cls, place: Place[Target], digest: Digest, scope: object = None) -> Filled:
        return cls(place.authority, place.repository, digest, scope)


class CopyRun:
    """The state of a command: what one copy has done, the next one relies on."""

    def __init__(
        self,
        parallel: int = CopyOptions.parallel,
        *,
        fetcher: BlobFetcher | None = None,
        must_fetch: bool = False,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Begin a command.

        :param parallel: how many blobs are copied at the same time by all its copies.
        :param fetcher: has storage fetch blobs by itself, where it can.
        :param must_fetch: refuse to send a blob that storage should fetch, and cannot.
        """
        self.slots = asyncio.Semaphore(parallel)
        self.fetcher = fetcher
        self.must_fetch = must_fetch
        self.sleep = sleep
        self.without_staging: set[str] = set()
        """The authorities of registries whose uploads cannot be staged."""
        self.fetched = Cache[Digest, Manifest](
            capacity=_MANIFEST_BYTES, size_of=lambda manifest: len(manifest.content)
        )
        self.blobs = SingleFlight[Filled, None]()
        self.manifests = SingleFlight[Filled, tuple[Descriptor, ...]]()
        self.attachments = SingleFlight[Filled, tuple[Descriptor, ...]]()
        self.tagged: dict[tuple[str, str, str], Digest] = {}
        self.fallback_locks: dict[Filled, asyncio.Lock] = {}
        self._has: dict[tuple[str, Digest], str] = {}

    def note_blob(self, place: Place[Target], digest: Digest) -> None:
        """Note that a repository has a blob, so that others of its registry can mount it."""
        self._has.setdefault((place.authority, digest), place.repository)

    def repository_with(self, place: Place[Target], digest: Digest) -> str | None:
        """Return a repository of the same registry that has the blob; None: not known."""
        return self._has.get((place.authority, digest))

    async def attempt(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Call a coroutine function, and again if it fails in a way that may pass.

        :raises Exception: whatever it raises, the last time.
        """
        for attempt in range(1, ATTEMPTS):
            try:
                return await function()
            except TRANSIENT as error:
                await self.sleep(retry_after(error) or float(attempt))
        return await function()


def retry_after(error: RegistryError) -> float:
    """Return the seconds that an error asks its client to wait; 0 if it does not."""
    return min(find_retry_after(error.headers) or 0.0, _LONGEST_WAIT)
