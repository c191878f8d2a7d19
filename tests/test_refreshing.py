"""`Refreshing`: fetched once for all callers, refreshed early, kept while a refresh fails."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from registry_core.aio import Expiring, Refreshing
from registry_core.spec.errors import Unavailable
from tests.support.clock import Clock

pytestmark = pytest.mark.anyio


class Source:
    """Returns numbers to be refreshed after 100 s, invalid after 1000, while ``open`` is set."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.fetched = 0
        self.fails = False
        self.open = asyncio.Event()
        self.open.set()

    async def fetch(self) -> Expiring[int]:
        self.fetched += 1
        number = self.fetched
        await self.open.wait()
        if self.fails:
            raise ConnectionError("not now")
        return Expiring(number, self.clock() + 100, self.clock() + 1000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source(clock: Clock) -> Source:
    return Source(clock)


@pytest.fixture
def number(clock: Clock, source: Source) -> Refreshing[int]:
    return Refreshing("the number", source.fetch, clock=clock)


async def settle() -> None:
    """Let what runs in the background do so, as far as it gets."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_many_at_once_are_served_by_one_fetch(
    number: Refreshing[int], source: Source
) -> None:
    assert await asyncio.gather(*(number.get() for _ in range(50))) == [1] * 50
    assert source.fetched == 1


async def test_nobody_waits_for_an_early_refresh(
    number: Refreshing[int], source: Source, clock: Clock
) -> None:
    assert await number.get() == 1
    clock.pass_by(100)
    source.open.clear()
    for _ in range(3):
        assert await number.get() == 1
        await settle()
    assert source.fetched == 2
    source.open.set()
    await settle()
    assert await number.get() == 2


async def test_a_refresh_that_fails_is_logged_and_tried_again_in_a_minute(
    number: Refreshing[int], source: Source, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await number.get()
    clock.pass_by(100)
    source.fails = True
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert await number.get() == 1
            await settle()
    assert source.fetched == 2
    [record] = caplog.records
    assert record.getMessage() == ("could not refresh the number, using the current one: not now")
    clock.pass_by(60)
    source.fails = False
    assert await number.get() == 1
    await settle()
    assert await number.get() == 3


async def test_all_callers_wait_for_the_fetch_after_an_expiry_and_get_its_failure(
    number: Refreshing[int], source: Source, clock: Clock
) -> None:
    await number.get()
    clock.pass_by(1000)
    source.fails = True
    results = await asyncio.gather(*(number.get() for _ in range(5)), return_exceptions=True)
    assert [str(result) for result in results] == ["not now"] * 5
    assert source.fetched == 2


async def test_a_failed_fetch_is_not_repeated_at_once(
    number: Refreshing[int], source: Source, clock: Clock
) -> None:
    source.fails = True
    for _ in range(3):
        with pytest.raises(ConnectionError):
            await number.get()
    assert source.fetched == 1
    clock.pass_by(5)
    source.fails = False
    assert await number.get() == 2


async def test_a_refresh_that_failed_is_repeated_soon_after_the_value_has_expired(
    number: Refreshing[int], source: Source, clock: Clock
) -> None:
    await number.get()
    clock.pass_by(994)
    source.fails = True
    assert await number.get() == 1
    await settle()
    clock.pass_by(6)
    source.fails = False
    assert await number.get() == 3


async def test_a_cancelled_caller_does_not_cancel_the_fetch_of_the_others(
    number: Refreshing[int], source: Source
) -> None:
    source.open.clear()
    first, second = (asyncio.ensure_future(number.get()) for _ in range(2))
    await settle()
    first.cancel()
    source.open.set()
    assert await second == 1
    assert source.fetched == 1


async def test_a_refused_value_is_dropped_once(number: Refreshing[int]) -> None:
    """Of several callers that were refused, only the first drops it; all use the next one."""
    assert await number.get() == 1
    assert number.drop(1)
    assert await number.get() == 2
    assert number.drop(1)
    assert await number.get() == 2


async def test_those_who_wait_for_a_fetch_that_is_closed_can_try_elsewhere(
    number: Refreshing[int], source: Source
) -> None:
    """Their own requests were not cancelled: they get an error with an answer, 503."""
    source.open.clear()
    waiting = [asyncio.ensure_future(wait()) for wait in (number.get, number.get, number.refresh)]
    await settle()
    await number.close()
    for each in waiting:
        with pytest.raises(Unavailable, match="is being stopped"):
            await each


async def test_a_caller_who_is_cancelled_is_not_answered(
    number: Refreshing[int], source: Source
) -> None:
    source.open.clear()
    waiting = asyncio.ensure_future(number.get())
    await settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
async def test_a_wall_clock_that_jumps_does_not_change_when_a_fetch_is_repeated(
    source: Source, clock: Clock, jump: float
) -> None:
    """Set back by a day it would keep the registry from trying again for a day."""
    monotonic = Clock()
    number = Refreshing("the number", source.fetch, clock=clock, monotonic=monotonic)
    source.fails = True
    with pytest.raises(ConnectionError):
        await number.get()
    clock.pass_by(jump)
    monotonic.pass_by(4)
    with pytest.raises(ConnectionError):
        await number.get()
    assert source.fetched == 1
    monotonic.pass_by(1)
    source.fails = False
    assert await number.get() == 2


def test_by_default_the_systems_monotonic_clock_measures_the_time_between_fetches(
    source: Source, clock: Clock
) -> None:
    """A clock of the program's own serves for both."""
    assert Refreshing("the number", source.fetch)._monotonic is time.monotonic
    assert Refreshing("the number", source.fetch, clock=clock)._monotonic is clock


async def test_a_value_that_does_not_serve_is_refreshed_once_in_a_while(
    number: Refreshing[int], source: Source, clock: Clock
) -> None:
    assert await number.get() == 1
    assert await asyncio.gather(*(number.refresh() for _ in range(20))) == [2] * 20
    assert await number.refresh() == 2
    clock.pass_by(5)
    assert await number.refresh() == 3
    assert source.fetched == 3


async def test_a_forced_refresh_that_fails_leaves_the_current_value(
    number: Refreshing[int], source: Source, clock: Clock
) -> None:
    assert await number.get() == 1
    source.fails = True
    assert await number.refresh() == 1
    assert await number.refresh() == 1
    assert source.fetched == 2
    clock.pass_by(1000)
    with pytest.raises(ConnectionError):
        await number.refresh()


async def test_a_refused_value_is_not_returned_after_a_forced_refresh(
    number: Refreshing[int],
) -> None:
    assert await number.refresh() == 1
    assert number.drop(1)
    assert await number.get() == 2


async def test_an_initial_value_is_used_until_it_expires(source: Source, clock: Clock) -> None:
    initial = Expiring(-1, expires_at=clock() + 10)
    number = Refreshing("the number", source.fetch, initial=initial, clock=clock)
    assert number.current == -1
    assert await number.get() == -1
    clock.pass_by(10)
    assert await number.get() == 1
