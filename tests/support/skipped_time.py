"""Delays that pass at once: the clock of the event loop jumps over them."""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Any

import pytest


class SkippedTime:
    """Replaces `asyncio.sleep` in modules, and notes its ``delays``.

    A delay advances the clock of the running event loop, so that time limits count it.
    """

    def __init__(self) -> None:
        self.delays: list[float] = []

    def replace_in(self, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        """Skip the delays of a module that imports `asyncio`. Needs a running event loop."""
        loop = asyncio.get_running_loop()
        real = loop.time
        monkeypatch.setattr(loop, "time", lambda: real() + sum(self.delays))
        monkeypatch.setattr(module, "asyncio", _Asyncio(self.delays))


class _Asyncio:
    """The module `asyncio` with another `sleep`."""

    def __init__(self, delays: list[float]) -> None:
        self._delays = delays

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, delay: float) -> None:
        self._delays.append(delay)
        await asyncio.sleep(0)
