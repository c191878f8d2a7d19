"""An event loop that leaves nothing to chance: one thread, its own clock, and a moment of rest.

Whenever no task can go on, the loop asks `at_rest` what shall happen next.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class _Selector(selectors.DefaultSelector):
    """Asked to wait, it has the next thing happen instead: then, and only then, all is at rest."""

    def __init__(self) -> None:
        super().__init__()
        self.wait: Callable[[float | None], None] | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout != 0 and self.wait is not None:
            self.wait(timeout)
        return super().select(0)


class _Inline(ThreadPoolExecutor):
    """Runs what is meant for a thread at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - whoever waits for the future gets it
            future.set_exception(error)
        return future


class QuietLoop(asyncio.SelectorEventLoop):
    """``at_rest``: lets a task go on and returns True; False when there is nothing to let go on.

    Then time passes, if a task sleeps. What asyncio reports as going wrong is kept in ``reports``.
    """

    def __init__(self) -> None:
        selector = _Selector()
        self._now = 0.0
        self.at_rest: Callable[[], bool] = lambda: False
        self.reports: list[str] = []
        super().__init__(selector)
        selector.wait = self._wait
        self.set_default_executor(_Inline())
        self.set_exception_handler(self._report)

    def time(self) -> float:
        return self._now

    def _wait(self, timeout: float | None) -> None:
        if self.at_rest():
            return
        if timeout is None:
            raise RuntimeError("every task waits, and nothing is left to happen")
        self._now += timeout

    def _report(self, _: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        self.reports.append(f"{context.get('message')}: {context.get('exception')!r}")
