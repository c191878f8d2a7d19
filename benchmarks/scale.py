"""How large and how often: everything that bounds a run."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True)
class Scale:
    """The sizes, in bytes unless said otherwise, and the repetitions of every measure."""

    rounds: int = 3
    """How often calls, throughput and rates are measured; the table shows medians."""
    layer: int = 256 * MIB
    """What throughput pushes and pulls, and what each of several pushes at once carries."""
    large: int = 1024 * MIB
    """What the memory of one push or pull is measured with."""
    pushes_at_once: int = 8
    counted_layer: int = 16 * MIB
    tags: int = 200
    rate_seconds: float = 2.0
    images: int = 40
    """How many small images the latency of a push is taken from."""
    limit_seconds: float = 3600.0
    """After this, what has not been measured is left out and reported as such."""


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
    """A whole number of GiB, MiB or KiB, in words of one unit."""
    for unit, factor in (("GiB", 1024 * MIB), ("MiB", MIB), ("KiB", KIB)):
        if size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} B"
