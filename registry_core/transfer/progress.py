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
    by whatever way; all of them at once where it was there already. ``total_size`` and
    ``total_done`` are the same of all blobs that were found to be needed so far.
    """

    digest: Digest
    done: int
    size: int
    total_done: int
    total_size: int


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
        if blob.digest not in self._done:  # else it failed before
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
        self._set(blob, blob.size)
        del self._done[blob.digest]

    def _set(self, blob: Descriptor, done: int) -> None:
        self._total_done += done - self._done.get(blob.digest, 0)
        self._done[blob.digest] = done
        self._on_progress(
            CopyProgress(blob.digest, done, blob.size, self._total_done, self._total_size)
        )
