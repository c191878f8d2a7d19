"""How far a copy is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..spec.descriptor import Descriptor
from ..spec.digest import Digest


@dataclass(frozen=True, slots=True)
class CopyProgress:
    """How far a copy is: one blob, and everything that was found so far.

    ``digest`` and ``size`` are those of a blob of which ``done`` bytes have arrived at the target,
    by whatever way, or are on their way there; all of them at once where it was there already.
    ``total_size`` and ``total_done`` are the same of all blobs that were found to be needed so far.
    ``is_finished``: the target has the blob.
    """

    digest: Digest
    done: int
    size: int
    total_done: int
    total_size: int
    is_finished: bool = False


OnProgress = Callable[[CopyProgress], None]


def ignore_progress(_progress: CopyProgress) -> None:
    """Show nothing."""


class Meter:
    """Counts the bytes of the blobs of a copy, and reports each step."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._done: dict[Digest, int] = {}  # of the blobs under way
        self._total_done = self._total_size = 0
        self.bytes_read = 0
        """How many bytes of the source's blobs were read, repeated reads included."""

    def found(self, blob: Descriptor) -> None:
        """Count a blob that is needed."""
        self._total_size += blob.size
        self._set(blob, 0)

    def fetched(self, blob: Descriptor, size: int) -> None:
        """Count bytes of a blob that storage has fetched by itself."""
        self._set(blob, self._done[blob.digest] + size)

    def read(self, blob: Descriptor, size: int) -> None:
        """Count bytes of a blob that were read here, on their way to the target."""
        self.bytes_read += size
        self._set(blob, self._done[blob.digest] + size)

    def restart(self, blob: Descriptor) -> None:
        """Count a blob's bytes from the beginning: none has arrived."""
        self._set(blob, 0)

    def finish(self, blob: Descriptor) -> None:
        """Count a blob as arrived."""
        self._set(blob, blob.size, is_finished=True)
        del self._done[blob.digest]

    def abandon(self, blob: Descriptor) -> None:
        """Forget a blob that could not be copied."""
        self._total_size -= blob.size
        self._set(blob, 0)
        del self._done[blob.digest]

    def _set(self, blob: Descriptor, done: int, *, is_finished: bool = False) -> None:
        self._total_done += done - self._done.get(blob.digest, 0)
        self._done[blob.digest] = done
        totals = (self._total_done, self._total_size)
        self._on_progress(CopyProgress(blob.digest, done, blob.size, *totals, is_finished))
