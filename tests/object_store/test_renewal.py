"""What holds for a while is fetched once for many, renewed early, and missed by nobody."""

from __future__ import annotations

import asyncio
import logging

import pytest

from registry_core.object_store.azure.renewal import Renewed, Term
from tests.support.clock import Clock

pytestmark = pytest.mark.anyio


class Source:
    """Gives numbers that are renewed after 100 s and end after 1000, while ``open`` is set."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.fetched = 0
        self.fails = False
        self.open = asyncio.Event()
        self.open.set()

    async def fetch(self) -> Term[int]:
        self.fetched += 1
        number = self.fetched
        await self.open.wait()
        if self.fails:
            raise ConnectionError("not now")
        return Term(number, renew=self.clock() + 100, ends=self.clock() + 1000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source(clock: Clock) -> Source:
    return Source(clock)


@pytest.fixture
def renewed(clock: Clock, source: Source) -> Renewed[int]:
    return Renewed("the number", source.fetch, clock)


async def settle() -> None:
    """Let what runs in the background do so, as far as it gets."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_many_at_once_are_served_by_one_fetch(renewed: Renewed[int], source: Source) -> None:
    assert await asyncio.gather(*(renewed.get() for _ in range(50))) == [1] * 50
    assert source.fetched == 1


async def test_nobody_waits_for_an_early_renewal(
    renewed: Renewed[int], source: Source, clock: Clock
) -> None:
    assert await renewed.get() == 1
    clock.pass_by(100)
    source.open.clear()
    for _ in range(3):
        assert await renewed.get() == 1
        await settle()
    assert source.fetched == 2
    source.open.set()
    await settle()
    assert await renewed.get() == 2


async def test_a_renewal_that_fails_is_told_and_tried_again_in_a_minute(
    renewed: Renewed[int], source: Source, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await renewed.get()
    clock.pass_by(100)
    source.fails = True
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert await renewed.get() == 1
            await settle()
    assert source.fetched == 2
    [record] = caplog.records
    assert record.getMessage() == (
        "the number is not renewed yet, the old one still holds: not now"
    )
    clock.pass_by(60)
    source.fails = False
    assert await renewed.get() == 1
    await settle()
    assert await renewed.get() == 3


async def test_what_has_ended_is_waited_for_and_its_failure_told_to_all(
    renewed: Renewed[int], source: Source, clock: Clock
) -> None:
    await renewed.get()
    clock.pass_by(1000)
    source.fails = True
    results = await asyncio.gather(*(renewed.get() for _ in range(5)), return_exceptions=True)
    assert [str(result) for result in results] == ["not now"] * 5
    assert source.fetched == 2


async def test_a_failure_is_not_asked_for_again_at_once(
    renewed: Renewed[int], source: Source, clock: Clock
) -> None:
    source.fails = True
    for _ in range(3):
        with pytest.raises(ConnectionError):
            await renewed.get()
    assert source.fetched == 1
    clock.pass_by(5)
    source.fails = False
    assert await renewed.get() == 2


async def test_a_renewal_that_failed_is_asked_for_soon_once_the_old_one_has_ended(
    renewed: Renewed[int], source: Source, clock: Clock
) -> None:
    await renewed.get()
    clock.pass_by(994)
    source.fails = True
    assert await renewed.get() == 1
    await settle()
    clock.pass_by(6)
    source.fails = False
    assert await renewed.get() == 3


async def test_who_gives_up_waiting_does_not_take_it_from_the_others(
    renewed: Renewed[int], source: Source
) -> None:
    source.open.clear()
    first, second = (asyncio.ensure_future(renewed.get()) for _ in range(2))
    await settle()
    first.cancel()
    source.open.set()
    assert await second == 1
    assert source.fetched == 1


async def test_what_was_refused_is_dropped_once(renewed: Renewed[int]) -> None:
    """Of several that were refused, only the first drops it: the next one stays for them all."""
    assert await renewed.get() == 1
    assert renewed.drop(1)
    assert await renewed.get() == 2
    assert renewed.drop(1)
    assert await renewed.get() == 2


async def test_closing_ends_a_fetch_under_way(renewed: Renewed[int], source: Source) -> None:
    source.open.clear()
    waiting = asyncio.ensure_future(renewed.get())
    await settle()
    await renewed.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
