"""A deterministic event loop: one thread, its own clock, and a hook for when it is idle.

Whenever no task can continue, the loop calls `when_idle`, which may let one continue.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class _Selector(selectors.DefaultSelector):
    """Calls ``wait`` where it would wait for events: then, and only then, is the loop idle."""

    def __init__(self) -> None:
        super().__init__()
        self.wait: Callable[[float | None], None] | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout != 0 and self.wait is not None:
            self.wait(timeout)
        return super().select(0)


class _Inline(ThreadPoolExecutor):
    """An executor that runs everything at once, in the calling thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - the future passes it on
            future.set_exception(error)
        return future


class QuietLoop(asyncio.SelectorEventLoop):
    """``when_idle`` lets a task continue and returns True, or False if none can.

    Then time passes, if a task sleeps. Errors that asyncio reports are kept in ``reports``.
    """

    def __init__(self) -> None:
        selector = _Selector()
        self._now = 0.0
        self.when_idle: Callable[[], bool] = lambda: False
        self.reports: list[str] = []
        super().__init__(selector)
        selector.wait = self._wait
        self.set_default_executor(_Inline())
        self.set_exception_handler(self._report)

    def time(self) -> float:
        return self._now

    def _wait(self, timeout: float | None) -> None:
        if self.when_idle():
            return
        if timeout is None:
            raise RuntimeError("every task waits, and nothing can happen any more")
        self._now += timeout

    def _report(self, _: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        self.reports.append(f"{context.get('message')}: {context.get('exception')!r}")
