"""Timers run when they are due, one run at a time, and failures do them no harm."""

# ruff: noqa: ARG001 - handlers take a request, needed or not

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from azure.functions import TimerRequest

from registry_core.serve import ncrontab
from registry_core.serve.functions import Retry, TimerFunction
from registry_core.serve.timers import Timers

pytestmark = pytest.mark.anyio

EVERY_SECOND = ncrontab.parse("* * * * * *")
NOT_SOON = ncrontab.parse("0 0 0 29 2 *")
AT_ONCE = timedelta(0)


def function(
    handler: Callable[[TimerRequest], object],
    schedule: ncrontab.Schedule,
    *,
    run_on_startup: bool = False,
    retry: Retry | None = None,
) -> TimerFunction:
    return TimerFunction("sample", schedule, run_on_startup, "timer", handler, retry or Retry())


@asynccontextmanager
async def running(*functions: TimerFunction, grace: float = 30) -> AsyncIterator[None]:
    timers = Timers(functions)
    timers.start()
    try:
        yield
    finally:
        await timers.stop(grace)


class Runs:
    """Counts runs, and lets a test wait for the next."""

    def __init__(self, fail: int = 0) -> None:
        self.requests: list[TimerRequest] = []
        self._fail = fail
        self._changed = asyncio.Condition()

    async def handle(self, timer: TimerRequest) -> None:
        async with self._changed:
            self.requests.append(timer)
            self._changed.notify_all()
        if len(self.requests) <= self._fail:
            raise RuntimeError("this run was to fail")

    async def reach(self, count: int) -> None:
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: len(self.requests) >= count)


async def test_a_timer_runs_at_each_occurrence() -> None:
    runs = Runs()
    start = datetime.now(UTC)
    async with running(function(runs.handle, EVERY_SECOND)):
        await runs.reach(3)
    assert datetime.now(UTC) - start > timedelta(seconds=2)
    assert not any(request.past_due for request in runs.requests)


async def test_a_timer_that_says_so_runs_at_the_start_too() -> None:
    runs, other = Runs(), Runs()
    async with running(
        function(runs.handle, NOT_SOON, run_on_startup=True), function(other.handle, NOT_SOON)
    ):
        await runs.reach(1)
    assert (len(runs.requests), len(other.requests)) == (1, 0)


async def test_a_failed_run_is_logged_and_the_next_one_takes_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    runs = Runs(fail=1)
    async with running(function(runs.handle, EVERY_SECOND)):
        await runs.reach(2)
    assert "timer sample failed" in caplog.text
    assert "this run was to fail" in caplog.text


async def test_a_failed_run_is_repeated_as_its_policy_says() -> None:
    runs = Runs(fail=100)
    retry = Retry(2, AT_ONCE, AT_ONCE)
    async with running(function(runs.handle, NOT_SOON, run_on_startup=True, retry=retry)):
        await runs.reach(3)
    assert len(runs.requests) == 3


async def test_the_wait_before_repeating_doubles_up_to_its_maximum() -> None:
    runs = Runs(fail=3)
    retry = Retry(-1, timedelta(seconds=0.1), timedelta(seconds=0.2))
    start = asyncio.get_running_loop().time()
    async with running(function(runs.handle, NOT_SOON, run_on_startup=True, retry=retry)):
        await runs.reach(4)
        assert 0.5 <= asyncio.get_running_loop().time() - start < 5


async def test_a_run_that_takes_long_is_not_joined_by_another() -> None:
    at_once, most = 0, 0
    seen = Runs()

    async def handle(timer: TimerRequest) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(1.5)
        at_once -= 1
        await seen.handle(timer)

    async with running(function(handle, EVERY_SECOND)):
        await seen.reach(2)
    assert most == 1


async def test_a_handler_that_is_not_async_runs_in_a_thread() -> None:
    threads: list[threading.Thread] = []
    ran = threading.Event()

    def handle(timer: TimerRequest) -> None:
        threads.append(threading.current_thread())
        ran.set()

    async with running(function(handle, NOT_SOON, run_on_startup=True)):
        assert await asyncio.to_thread(ran.wait, 20)
    assert threads != [threading.main_thread()]


async def test_stopping_waits_for_the_run_under_way() -> None:
    begun, go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handle(timer: TimerRequest) -> None:
        begun.set()
        await go_on.wait()
        done.set()

    timers = Timers([function(handle, NOT_SOON, run_on_startup=True)])
    timers.start()
    await begun.wait()
    stopping = asyncio.create_task(timers.stop(30))
    await asyncio.sleep(0)
    go_on.set()
    await stopping
    assert done.is_set()


async def test_a_run_that_outlasts_the_grace_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def handle(timer: TimerRequest) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with running(function(handle, NOT_SOON, run_on_startup=True), grace=0.05):
        await begun.wait()
    assert cancelled.is_set()
    assert "is cancelled" in caplog.text


async def test_a_stop_ends_a_wait_at_once() -> None:
    start = asyncio.get_running_loop().time()
    async with running(function(Runs().handle, NOT_SOON)):
        await asyncio.sleep(0)
    assert asyncio.get_running_loop().time() - start < 5
