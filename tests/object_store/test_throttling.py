"""Busy storage is given time, within the limit of the operation. No test waits for it."""

from __future__ import annotations

import pytest

from registry_core.object_store.azure import Limits
from registry_core.object_store.azure.retries import delay_before
from registry_core.object_store.errors import ConditionFailed, StoreUnavailable
from registry_core.object_store.interface import if_match
from tests.contracts.object_store import CONTENT
from tests.support.scripted_storage import Instead, ScriptedStorage
from tests.support.skipped_time import SkippedTime
from tests.support.store_calls import CALLS, opened_over

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("skipped_time")]

BUSY = Instead(503, "ServerBusy")
TIMED_OUT = Instead(500, "OperationTimedOut")
THROTTLED = Instead(429, "TooManyRequests")
BROKEN = Instead(500, "InternalError")
RESET = Instead()


@pytest.mark.parametrize("answer", [BUSY, TIMED_OUT, THROTTLED], ids=lambda answer: answer.code)
@pytest.mark.parametrize("call", CALLS)
async def test_an_operation_succeeds_when_storage_was_busy_five_times(
    scripted: ScriptedStorage, skipped_time: SkippedTime, call: str, answer: Instead
) -> None:
    scripted.answers = [answer] * 5
    async with opened_over(scripted) as store:
        await CALLS[call](store)
    assert len(scripted.received) == 6
    assert len(skipped_time.delays) == 5


async def test_delays_double_and_vary_by_half(
    scripted: ScriptedStorage, skipped_time: SkippedTime
) -> None:
    limits = Limits()
    scripted.answers = [BUSY] * limits.throttled_retries
    async with opened_over(scripted) as store:
        await store.head("a")
    expected = [limits.first_delay * 2**number for number in range(limits.throttled_retries)]
    assert len(skipped_time.delays) == len(expected)
    for delay, base in zip(skipped_time.delays, expected, strict=True):
        assert base / 2 <= delay <= base * 1.5


@pytest.mark.parametrize("answer", [BUSY, THROTTLED, BROKEN], ids=lambda answer: answer.code)
async def test_the_delay_that_storage_requests_is_kept(
    scripted: ScriptedStorage, skipped_time: SkippedTime, answer: Instead
) -> None:
    scripted.answers = [
        Instead(answer.status, answer.code, {"Retry-After": seconds}) for seconds in ("7", "20")
    ]
    async with opened_over(scripted) as store:
        await store.put("b", CONTENT)
    assert skipped_time.delays == [7, 20]


@pytest.mark.parametrize("requested", ["", "0", "-5", "soon", "1.5", "٣", "²"])
async def test_a_delay_that_is_not_understood_or_is_shorter_changes_nothing(requested: str) -> None:
    delay = delay_before(3, Limits(first_delay=100), {"Retry-After": requested})
    assert 400 <= delay <= 1200


async def test_a_delay_beyond_the_time_limit_is_not_waited_for(
    scripted: ScriptedStorage, skipped_time: SkippedTime
) -> None:
    scripted.answers = [Instead(503, "ServerBusy", {"Retry-After": "3600"})]
    async with opened_over(scripted) as store:
        with pytest.raises(StoreUnavailable, match="put b: 503 ServerBusy"):
            await store.put("b", CONTENT)
    assert len(scripted.received) == 1
    assert skipped_time.delays == []


async def test_the_time_limit_ends_the_attempts_with_the_last_answer(
    scripted: ScriptedStorage, skipped_time: SkippedTime
) -> None:
    scripted.choose = lambda _: Instead(503, "ServerBusy", {"Retry-After": "30"})
    async with opened_over(scripted, limits=Limits(total=100)) as store:
        with pytest.raises(StoreUnavailable, match=r"put b: 503 ServerBusy \(request made-up\)"):
            await store.put("b", CONTENT)
    assert skipped_time.delays == [30] * 3
    assert len(scripted.received) == 4


async def test_silence_after_a_busy_answer_does_not_hide_that_answer(
    scripted: ScriptedStorage,
) -> None:
    """The time limit passes while the second attempt waits for its answer."""
    scripted.answers = [Instead(503, "ServerBusy", {"Retry-After": "99"}), Instead(silent=True)]
    async with opened_over(scripted, limits=Limits(total=101)) as store:
        with pytest.raises(StoreUnavailable) as caught:
            await store.put("b", CONTENT)
    assert str(caught.value).startswith("put b: no answer in 101 s")
    assert "503 ServerBusy" in str(caught.value)
    assert len(scripted.received) == 2


async def test_storage_that_stays_busy_is_given_up_after_so_many_attempts(
    scripted: ScriptedStorage,
) -> None:
    scripted.choose = lambda _: BUSY
    async with opened_over(scripted, limits=Limits(throttled_retries=4)) as store:
        with pytest.raises(StoreUnavailable, match="get a: 503 ServerBusy"):
            await store.get("a", limit=10)
    assert len(scripted.received) == 5


async def test_busy_answers_do_not_use_up_the_attempts_after_broken_connections(
    scripted: ScriptedStorage,
) -> None:
    """Storage that is busy closes connections as well."""
    scripted.answers = [BUSY, BUSY, BUSY, BUSY, BROKEN, BROKEN, BROKEN]
    async with opened_over(scripted, limits=Limits(retries=3, throttled_retries=4)) as store:
        await store.head("a")
    assert len(scripted.received) == 8


async def test_broken_answers_are_limited_while_storage_is_busy_in_between(
    scripted: ScriptedStorage,
) -> None:
    scripted.answers = [BROKEN, BUSY] * 10
    async with opened_over(scripted, limits=Limits(retries=3, throttled_retries=6)) as store:
        with pytest.raises(StoreUnavailable, match="head a: 500 InternalError"):
            await store.head("a")
    assert len(scripted.received) == 7


@pytest.mark.parametrize("answer", [BUSY, THROTTLED], ids=lambda answer: answer.code)
async def test_waiting_callers_do_not_hold_connections(
    scripted: ScriptedStorage, answer: Instead
) -> None:
    scripted.answers = [answer] * 5
    async with opened_over(scripted) as store:
        await store.head("a")
        await store.head("a")
    assert len(scripted.connections) == 1


async def test_a_refused_request_is_not_taken_for_one_that_took_place(
    scripted: ScriptedStorage,
) -> None:
    """After a 429 nothing is read to recognise its work."""
    scripted.answers = [THROTTLED]
    async with opened_over(scripted) as store:
        with pytest.raises(ConditionFailed):
            await store.put("a", CONTENT, condition=if_match('"other"'))
    assert [request.method for request in scripted.received] == ["PUT", "PUT"]
