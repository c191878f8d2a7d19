"""Waiting for what happens in the background."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


async def eventually(happened: Callable[[], Awaitable[bool]], *, seconds: float = 30) -> None:
    """Returns when it has. :raises AssertionError: when it has not by then."""
    deadline = time.monotonic() + seconds
    while not await happened():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.01)


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something holds; in a test that has no event loop."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
