"""The sizes and repetitions of a run."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True)
class Scale:
    """The sizes (in bytes) and repetitions of all measurements."""

    rounds: int = 3
    """The repetitions of calls, throughput and rates; tables show medians."""
    layer: int = 256 * MIB
    """The blob of throughput, and of each concurrent push."""
    large: int = 1024 * MIB
    """The blob of which the memory of one push or pull is measured."""
    pushes_at_once: int = 8
    counted_layer: int = 16 * MIB
    tags: int = 200
    rate_seconds: float = 2.0
    images: int = 40
    """The number of small images for the latency of a push."""
    limit_seconds: float = 3600.0
    """The time limit; later measurements are skipped and reported."""


QUICK = Scale(
    rounds=1,
    layer=4 * MIB,
    large=16 * MIB,
    pushes_at_once=2,
    tags=20,
    rate_seconds=0.2,
    images=3,
    limit_seconds=300.0,
)


def size_text(size: int) -> str:
    """Format a size as a whole number of GiB, MiB or KiB."""
    for unit, factor in (("GiB", 1024 * MIB), ("MiB", MIB), ("KiB", KIB)):
        if size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} B"
