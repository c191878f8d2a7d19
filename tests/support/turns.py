"""Turns of an event loop: how much is done in one of them, without a clock."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Turns:
    """Counts calls by the turn of the running loop in which they are made."""

    def __init__(self) -> None:
        self._turn = 0
        self._calls: Counter[int] = Counter()
        self._next: asyncio.Handle | None = None

    @property
    def most(self) -> int:
        """The most calls in one turn."""
        return max(self._calls.values())

    @property
    def calls(self) -> int:
        """All calls."""
        return self._calls.total()

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same and is counted."""

        def call(*args: Any, **kwargs: Any) -> Any:
            self._calls[self._turn] += 1
            return function(*args, **kwargs)

        return call

    def start(self) -> None:
        self._turn += 1
        self._next = asyncio.get_running_loop().call_soon(self.start)

    def stop(self) -> None:
        if self._next is not None:
            self._next.cancel()


@contextmanager
def counting_turns() -> Iterator[Turns]:
    """Count the turns of the running loop meanwhile."""
    turns = Turns()
    turns.start()
    try:
        yield turns
    finally:
        turns.stop()
