"""Timer-triggered functions, run by the clock of this process.

As in Azure: one run of a timer at a time, and what falls due meanwhile is skipped. A failed run is
logged, repeated as its retry policy says, and does no harm to the next one.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from azure.functions.timer import TimerRequest

from .functions import Retry, TimerFunction

log = logging.getLogger(__name__)

# Real clocks are set and laptops sleep: look at the time at least this often.
_LONGEST_NAP = 30.0
_LATE = timedelta(seconds=1)


class Timers:
    """The timers of an app, each in a task of its own."""

    def __init__(self, functions: Sequence[TimerFunction]) -> None:
        self._functions = functions
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """To be called once, in a running event loop."""
        self._tasks = [asyncio.create_task(self._follow(f), name=f.name) for f in self._functions]

    def cancel(self) -> None:
        """Cancel runs under way, and start no more."""
        for task in self._tasks:
            task.cancel()

    async def stop(self, grace: float) -> None:
        """Start no more runs; give those under way ``grace`` seconds, then cancel them."""
        self._stopping.set()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=grace)
        for task in late:
            log.error(
                "timer %s did not finish within %g s and is cancelled", task.get_name(), grace
            )
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self, function: TimerFunction) -> None:
        if function.run_on_startup:
            await self._run(function, past_due=False)
        while not self._stopping.is_set():
            due = function.schedule.next_after(datetime.now(UTC))
            if await self._wait_until(due):
                await self._run(function, past_due=datetime.now(UTC) - due > _LATE)

    async def _run(self, function: TimerFunction, *, past_due: bool) -> None:
        failures = 0
        while True:
            try:
                await _call(function, TimerRequest(past_due=past_due))
                return
            except Exception:
                log.exception("timer %s failed", function.name)
            if 0 <= function.retry.count <= failures:
                return
            if not await self._wait_until(datetime.now(UTC) + _delay(function.retry, failures)):
                return
            failures += 1

    async def _wait_until(self, moment: datetime) -> bool:
        """False when the timers are being stopped, now or meanwhile."""
        while not self._stopping.is_set():
            remaining = (moment - datetime.now(UTC)).total_seconds()
            if remaining <= 0:
                return True
            try:
                await asyncio.wait_for(self._stopping.wait(), min(remaining, _LONGEST_NAP))
            except TimeoutError:
                continue
        return False


def _delay(retry: Retry, failures: int) -> timedelta:
    # Doubled no more often than any delay could need, so that it cannot overflow.
    return min(retry.maximum, retry.minimum * (1 << min(failures, 20)))


async def _call(function: TimerFunction, request: TimerRequest) -> None:
    arguments = {function.argument: request}
    if inspect.iscoroutinefunction(function.handler):
        await function.handler(**arguments)
    else:
        await asyncio.to_thread(function.handler, **arguments)
