"""Waiting for background work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


async def eventually(happened: Callable[[], Awaitable[bool]], *, seconds: float = 30) -> None:
    """Wait until ``happened`` returns True. :raises AssertionError: when that takes too long."""
    deadline = time.monotonic() + seconds
    while not await happened():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.01)


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until ``holds`` returns True, in a test without an event loop."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
