"""Memory: how much of what is pushed the relay holds at a time, over all uploads.

- A body that is received needs a block to be filled: `RECEIVING` at a time, others wait.
- Blocks that are full are on their way to storage: `IN_FLIGHT` bytes at a time.
- Other bodies, of manifests, are held whole until they are answered: `BODIES` at a time.
- Between two requests of an upload, what has not filled a block is kept: `KEPT` bytes in all.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ..aio import Budget

MIB = 2**20
RECEIVING = 6
BODIES = 8
IN_FLIGHT = 64 * MIB
KEPT = 32 * MIB
LARGEST_BLOCK = 16 * MIB
"""Bytes. 50,000 blocks are 780 GiB."""


@dataclass
class Memory:
    """The bounds of one relay, and what is used of them."""

    receiving: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(RECEIVING))
    bodies: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(BODIES))
    in_flight: Budget = field(default_factory=lambda: Budget(IN_FLIGHT))
    kept: int = 0

    def keep(self, size: int) -> bool:
        """Count bytes that an upload keeps until its next request; return whether it may."""
        if self.kept + size > KEPT:
            return False
        self.kept += size
        return True

    def release(self, size: int) -> None:
        """Count bytes as not kept any more."""
        self.kept -= size
