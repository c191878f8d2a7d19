"""What is to be copied, and a way for the bytes of blobs that does not lead through here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from ..registry import Blob
from ..spec.staging import Staging
from .platforms import Platform

Renew = Callable[[], Awaitable[Staging]]
"""Returns the same upload's staging with more time, before it expires."""


@dataclass(frozen=True)
class CopyOptions:
    """What is copied of a manifest, and how.

    :ivar platforms: of an image index, only the manifests of these; none: all of them.
    :ivar referrers: also copy the manifests whose subject is one of those copied, and cosign's
        signatures by tag.
    :ivar parallel: how many blobs are copied at the same time, and how many tags.
    :ivar dry_run: write nothing, and report what would be copied.
    """

    platforms: tuple[Platform, ...] = ()
    referrers: bool = False
    parallel: int = 4
    dry_run: bool = False


class BlobFetcher(Protocol):
    """Has the target's storage fetch blobs by itself, so that no bytes pass through here."""

    async def fetch(
        self, blob: Blob, staging: Staging, renew: Renew, on_bytes: Callable[[int], None]
    ) -> int | None:
        """Stage a blob's content in blocks, from the first, and return their number.

        Returns None where storage cannot fetch it; then the bytes have to be sent.

        :param on_bytes: called with the number of bytes of each block that was staged.
        :raises BlobUnknown: the source does not have the content any more.
        """
