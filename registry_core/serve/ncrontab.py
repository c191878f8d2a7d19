"""NCRONTAB, the schedules of Azure Functions' timers: six fields, in UTC.

Source: learn.microsoft.com/azure/azure-functions/functions-bindings-timer, "NCRONTAB expressions",
and for what it leaves open the library behind it, NCrontab: a day must match both of its fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import product

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")

# After 28 years the calendar repeats; a century without a leap year can add 12 more.
_HORIZON = timedelta(days=41 * 366)


class ScheduleInvalid(ValueError):
    """The text is no NCRONTAB expression, or one of a moment that never comes."""


@dataclass(frozen=True)
class _Field:
    name: str
    first: int
    last: int
    names: Sequence[str] = ()

    def parse(self, text: str) -> tuple[int, ...]:
        """The numbers that ``text`` stands for, ascending. :raises ScheduleInvalid:"""
        return tuple(sorted({n for element in text.split(",") for n in self._element(element)}))

    def _element(self, text: str) -> range:
        span, slash, step = text.partition("/")
        if slash and (not _is_number(step) or int(step) == 0):
            raise self._invalid(text)
        first, dash, last = span.partition("-")
        if first == "*" and not dash:
            return range(self.first, self.last + 1, int(step or 1))
        start = self._value(first)
        # "5/10" counts on from 5 to the end of the field, "5" is 5 alone.
        stop = self._value(last) if dash else self.last if slash else start
        if stop < start:
            raise self._invalid(text)
        return range(start, stop + 1, int(step or 1))

    def _value(self, text: str) -> int:
        if _is_number(text) and self.first <= int(text) <= self.last:
            return int(text)
        for offset, name in enumerate(self.names):
            if text and name.lower().startswith(text.lower()):
                return self.first + offset
        raise self._invalid(text)

    def _invalid(self, text: str) -> ScheduleInvalid:
        return ScheduleInvalid(f"{text!r} is no {self.name} ({self.first} to {self.last})")


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 6, _WEEKDAYS),
)


@dataclass(frozen=True)
class Schedule:
    """The moments at which all six fields match. Each holds its numbers in ascending order."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    def next_after(self, moment: datetime) -> datetime:
        """The first occurrence later than ``moment`` (of any time zone), in UTC.

        :raises ScheduleInvalid: when there is none, as on the 30th of February.
        """
        start = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        for day in self._days_from(start.date()):
            earliest = start.time() if day == start.date() else time.min
            for clock in self._times_from(earliest):
                return datetime.combine(day, clock, UTC)
        raise ScheduleInvalid("the day that it names never comes")

    def _days_from(self, first: date) -> Iterator[date]:
        for offset in range(_HORIZON.days):
            day = first + timedelta(days=offset)
            weekday = day.isoweekday() % 7
            if day.month in self.months and day.day in self.days and weekday in self.weekdays:
                yield day

    def _times_from(self, earliest: time) -> Iterator[time]:
        for hour, minute in product(self.hours, self.minutes):
            if (hour, minute) >= (earliest.hour, earliest.minute):
                for second in self.seconds:
                    if time(hour, minute, second) >= earliest:
                        yield time(hour, minute, second)


def parse(expression: str) -> Schedule:
    """Parse ``{second} {minute} {hour} {day} {month} {day of the week}``.

    Each is ``*``, a number, a name (months, weekdays) or a range ``a-b``, any of these with a step
    ``/n``, or a list of them joined by commas.

    :raises ScheduleInvalid: saying what is wrong with it.
    """
    texts = expression.split()
    if len(texts) != len(_FIELDS):
        raise ScheduleInvalid(
            f"schedule {expression!r} has {len(texts)} fields; NCRONTAB has six, seconds first"
        )
    try:
        schedule = Schedule(*(f.parse(text) for f, text in zip(_FIELDS, texts, strict=True)))
        schedule.next_after(datetime.now(UTC))
    except ScheduleInvalid as error:
        raise ScheduleInvalid(f"schedule {expression!r}: {error}") from None
    return schedule


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
