"""Work that is done once, however many need it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
T = TypeVar("T")


@dataclass
class _Call(Generic[T]):
    task: asyncio.Task[T]
    waiters: int = 0


class SingleFlight(Generic[Key, T]):
    """Runs a coroutine once per key, for all who wait for it, and keeps the result.

    One that fails, fails for all who wait, and runs again for whoever comes later. It is cancelled
    once nobody waits for it any more, and has ended when the last one who waited has.
    """

    def __init__(self) -> None:
        self._calls: dict[Key, _Call[T]] = {}

    async def get(self, key: Key, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result for a key, which ``function`` computes if nobody has yet.

        :raises Exception: whatever the coroutine raises.
        """
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = _Call(asyncio.create_task(function()))
            call.task.add_done_callback(lambda task: self._settle(key, task))
        call.waiters += 1
        try:
            return await asyncio.shield(call.task)
        finally:
            call.waiters -= 1
            if not call.waiters and not call.task.done():
                self._forget(key, call.task)
                call.task.cancel()
                await asyncio.gather(call.task, return_exceptions=True)

    def forget(self, key: Key) -> None:
        """Forget a result, so that the next who needs it computes it again."""
        call = self._calls.get(key)
        if call is not None and call.task.done():
            del self._calls[key]

    def _settle(self, key: Key, task: asyncio.Task[T]) -> None:
        if task.cancelled() or task.exception() is not None:
            self._forget(key, task)

    def _forget(self, key: Key, task: asyncio.Task[T]) -> None:
        call = self._calls.get(key)
        if call is not None and call.task is task:
            del self._calls[key]
