"""Bounded concurrency, and writes that are completed in spite of a cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from registry_core.aio import for_each, run_to_completion

pytestmark = pytest.mark.anyio


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number


@pytest.mark.parametrize("is_async", [False, True])
async def test_every_item_is_handled_once_and_no_more_than_the_limit_at_a_time(
    *, is_async: bool
) -> None:
    running, most = 0, 0
    handled: list[int] = []

    async def act(number: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        handled.append(number)

    await for_each(numbers(20) if is_async else range(20), act, limit=3)
    assert sorted(handled) == list(range(20))
    assert most == 3


async def test_items_are_drawn_only_as_they_are_needed() -> None:
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10):
            drawn.append(number)
            yield number

    async def act(number: int) -> None:
        await asyncio.sleep(0)
        assert len(drawn) <= number + 3

    await for_each(items(), act, limit=3)
    assert len(drawn) == 10


async def test_a_failure_ends_it_once_what_runs_has_ended() -> None:
    started: list[int] = []
    ended: list[int] = []

    async def act(number: int) -> None:
        started.append(number)
        await asyncio.sleep(0)
        if number == 1:
            raise ValueError("one")
        await asyncio.sleep(0.01)
        ended.append(number)

    with pytest.raises(ValueError, match="one"):
        await for_each(range(100), act, limit=3)
    assert started == [0, 1, 2]
    assert sorted(ended) == [0, 2]


async def test_a_failing_source_is_a_failure() -> None:
    async def source() -> AsyncIterator[int]:
        yield 1
        raise ValueError("no more")

    handled: list[int] = []

    async def act(number: int) -> None:
        handled.append(number)

    with pytest.raises(ValueError, match="no more"):
        await for_each(source(), act, limit=2)
    assert handled == [1]


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
