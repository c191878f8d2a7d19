"""Schedules mean what Azure Functions takes them to mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.serve.ncrontab import ScheduleInvalid, parse

# A Wednesday.
NOON = datetime(2026, 7, 15, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "expression, following",
    [
        ("* * * * * *", "2026-07-15 12:00:01"),
        ("0 */5 * * * *", "2026-07-15 12:05:00"),
        ("0 0 * * * *", "2026-07-15 13:00:00"),
        ("0 0 */2 * * *", "2026-07-15 14:00:00"),
        ("0 0 9-17 * * *", "2026-07-15 13:00:00"),
        ("0 30 9 * * *", "2026-07-16 09:30:00"),
        ("0 30 9 * * 1-5", "2026-07-16 09:30:00"),
        ("0 30 9 * Jan Mon", "2027-01-04 09:30:00"),
        ("0 0 0 * january sunday", "2027-01-03 00:00:00"),
        ("15,45 0 12 * * *", "2026-07-15 12:00:15"),
        ("0 5/10 * * * *", "2026-07-15 12:05:00"),
        ("0 58-59 23 31 12 *", "2026-12-31 23:58:00"),
        ("0 0 0 31 * *", "2026-07-31 00:00:00"),
        ("0 0 0 29 2 *", "2028-02-29 00:00:00"),
        ("0 0 0 29 2 4", "2052-02-29 00:00:00"),
        ("0  0  0  1 1 *", "2027-01-01 00:00:00"),
    ],
)
def test_the_next_occurrence(expression: str, following: str) -> None:
    assert parse(expression).next_after(NOON) == datetime.fromisoformat(following + "+00:00")


def test_a_day_must_match_both_its_fields() -> None:
    """Unlike in Unix, where one of the two suffices."""
    assert parse("0 0 0 13 * 5").next_after(NOON) == datetime(2026, 11, 13, tzinfo=UTC)


def test_an_occurrence_is_not_its_own_successor() -> None:
    assert parse("0 0 12 * * *").next_after(NOON) == NOON + timedelta(days=1)


def test_fractions_of_a_second_do_not_repeat_an_occurrence() -> None:
    just_after = NOON + timedelta(microseconds=1)
    assert parse("* * * * * *").next_after(just_after) == NOON + timedelta(seconds=1)


def test_schedules_are_in_utc() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert parse("0 30 12 * * *").next_after(elsewhere) == NOON + timedelta(minutes=30)


@pytest.mark.parametrize(
    "expression, reason",
    [
        ("*/5 * * * *", "has 5 fields; NCRONTAB has six"),
        ("00:05:00", "has 1 fields"),
        ("60 * * * * *", "'60' is no second (0 to 59)"),
        ("* * * 0 * *", "'0' is no day (1 to 31)"),
        ("* * * * * 7", "'7' is no day of the week (0 to 6)"),
        ("* * * * Foo *", "'Foo' is no month"),
        ("*/0 * * * * *", "'*/0' is no second"),
        ("*/ * * * * *", "'*/' is no second"),
        ("5-1 * * * * *", "'5-1' is no second"),
        ("1,,2 * * * * *", "'' is no second"),
        ("-1 * * * * *", "'' is no second"),
        ("*-5 * * * * *", "'*' is no second"),
        ("² * * * * *", "'²' is no second"),
        ("0 0 0 30 2 *", "never comes"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_reason(expression: str, reason: str) -> None:
    with pytest.raises(ScheduleInvalid) as refused:
        parse(expression)
    assert reason in str(refused.value)
    assert repr(expression) in str(refused.value)


FIELD = st.sampled_from(["*", "*/7", "0-3", "5", "1,4,6", "3/2"])


@given(
    st.tuples(FIELD, FIELD, FIELD).map(lambda clock: f"{' '.join(clock)} * * *"),
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_the_next_occurrence_is_the_first_second_that_matches(
    expression: str, moment: datetime
) -> None:
    schedule = parse(expression)
    following = schedule.next_after(moment)
    assert following > moment
    second = moment.replace(microsecond=0) + timedelta(seconds=1)
    for _ in range(1000):
        matches = (
            second.second in schedule.seconds
            and second.minute in schedule.minutes
            and second.hour in schedule.hours
        )
        assert matches == (second == following)
        if matches:
            break
        second += timedelta(seconds=1)
