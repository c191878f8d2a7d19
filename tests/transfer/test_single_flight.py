"""Work that is done once, however many need it."""

from __future__ import annotations

import asyncio

import pytest

from registry_core.transfer.single_flight import SingleFlight

pytestmark = pytest.mark.anyio


async def test_those_who_wait_at_the_same_time_and_later_get_one_result() -> None:
    calls = 0

    async def work() -> int:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0)
        return calls

    flight = SingleFlight[str, int]()
    assert await asyncio.gather(*(flight.get("a", work) for _ in range(3))) == [1, 1, 1]
    assert await flight.get("a", work) == 1
    assert await flight.get("b", work) == 2
    flight.forget("a")
    assert await flight.get("a", work) == 3


async def test_a_failure_is_everybodys_who_waits_and_nobodys_later() -> None:
    calls = 0

    async def work() -> int:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0)
        if calls == 1:
            raise ValueError("once")
        return calls

    flight = SingleFlight[str, int]()
    results = await asyncio.gather(
        *(flight.get("a", work) for _ in range(2)), return_exceptions=True
    )
    assert list(map(str, results)) == ["once", "once"]
    assert await flight.get("a", work) == 2


async def test_work_goes_on_while_anybody_waits_and_ends_with_the_last_one() -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()
    ended = []

    async def work() -> int:
        begun.set()
        try:
            await may_end.wait()
        finally:
            ended.append(True)
        return 1

    flight = SingleFlight[str, int]()
    first, second = (asyncio.create_task(flight.get("a", work)) for _ in range(2))
    await begun.wait()
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert not ended
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert ended
    may_end.set()
    assert await flight.get("a", work) == 1
