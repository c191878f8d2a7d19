"""How far a copy is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
