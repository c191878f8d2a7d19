"""asyncio helpers: what runs at the same time, in which order results come, how failures end."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from registry_core.aio import Budget, for_each, off_loop, run_to_completion

pytestmark = pytest.mark.anyio


async def test_results_come_in_the_order_of_the_items_and_only_so_many_run_at_once() -> None:
    running, most = 0, 0

    async def square(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(number % 3):
            await asyncio.sleep(0)
        running -= 1
        return number**2

    assert await for_each(range(20), square, limit=4) == [n**2 for n in range(20)]
    assert most == 4
    assert await for_each([], square, limit=4) == []


async def test_items_are_taken_when_their_turn_comes() -> None:
    taken: list[int] = []
    let_go = asyncio.Event()

    def items() -> Iterator[int]:
        for number in range(5):
            taken.append(number)
            yield number

    async def wait(number: int) -> int:
        await let_go.wait()
        return number

    working = asyncio.create_task(for_each(items(), wait, limit=2))
    await asyncio.sleep(0)
    assert taken == [0, 1]
    let_go.set()
    await working
    assert taken == [0, 1, 2, 3, 4]


async def test_after_a_failure_no_call_begins_and_those_that_run_are_cancelled() -> None:
    begun: list[int] = []
    ended: list[int] = []

    async def fail_at_two(number: int) -> None:
        begun.append(number)
        if number == 2:
            raise ValueError(number)
        for _ in range(3):
            await asyncio.sleep(0)
        ended.append(number)

    with pytest.raises(ValueError, match="2"):
        await for_each(range(10), fail_at_two, limit=3)
    assert (begun, ended) == ([0, 1, 2], [])


async def test_of_several_failures_that_of_the_first_item_is_raised() -> None:
    async def fail(number: int) -> None:
        for _ in range(3 - number):
            await asyncio.sleep(0)
        raise ValueError(f"item {number}")

    with pytest.raises(ValueError, match="item 0"):
        await for_each(range(3), fail, limit=3)


async def test_work_on_much_input_runs_in_a_thread() -> None:
    assert await off_loop(64 * 2**10, threading.current_thread) is threading.main_thread()
    assert await off_loop(64 * 2**10 + 1, threading.current_thread) is not threading.main_thread()


async def test_after_a_cancellation_from_within_no_call_begins() -> None:
    """For example by a value that was closed while it was fetched."""
    called: list[int] = []

    async def cancel(number: int) -> None:
        called.append(number)
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await for_each(range(50), cancel, limit=2)
    assert called == [0, 1]


async def test_a_write_in_progress_outlives_the_cancellation_of_its_task() -> None:
    written = asyncio.Event()

    async def write() -> None:
        await asyncio.sleep(0.01)
        written.set()

    task = asyncio.create_task(run_to_completion(write()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert written.is_set()


async def test_a_result_is_returned() -> None:
    async def write() -> str:
        return "written"

    assert await run_to_completion(write()) == "written"


async def test_a_write_in_progress_outlives_every_cancellation() -> None:
    """Its own failure is not raised then: the cancellation is."""
    finished = asyncio.Event()

    async def write() -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        finished.set()
        raise OSError("the write failed")

    task = asyncio.create_task(run_to_completion(write()))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert finished.is_set()


async def _settle() -> None:
    """Let every task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_budget_is_shared_in_the_order_of_arrival() -> None:
    """What is large is not overtaken for ever by what is small."""
    budget, order = Budget(10), list[str]()

    async def take(name: str, size: int) -> None:
        await budget.take(size)
        order.append(name)

    await take("first", 6)
    waiting = [asyncio.ensure_future(take(*each)) for each in (("large", 8), ("small", 1))]
    await _settle()
    assert order == ["first"]
    budget.give_back(6)
    await asyncio.gather(*waiting)
    assert order == ["first", "large", "small"]


async def test_what_is_larger_than_the_budget_is_under_way_alone() -> None:
    budget = Budget(10)
    await budget.take(50)
    waiting = asyncio.ensure_future(budget.take(1))
    await _settle()
    assert not waiting.done()
    budget.give_back(50)
    await waiting


async def test_a_wait_for_the_budget_that_is_cancelled_takes_nothing() -> None:
    budget = Budget(10)
    await budget.take(10)
    waiting = asyncio.ensure_future(budget.take(10))
    await _settle()
    waiting.cancel()
    await asyncio.wait([waiting])
    budget.give_back(10)
    await asyncio.wait_for(budget.take(10), 1)
