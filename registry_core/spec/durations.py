"""Durations as settings and rules have them: ``168h``, ``1h30m``, ``14d``, ``2w``.

Go's notation, which CNCF distribution's settings use, and days and weeks besides.
Source: pkg.go.dev/time#ParseDuration.
"""

from __future__ import annotations

import re
from datetime import timedelta

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_PART = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_DURATION = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)

LONGEST = timedelta(days=100 * 365)
"""The longest duration that is accepted."""


def parse_duration(text: str) -> timedelta:
    """Return a duration.

    :raises ValueError: the text is not one, or one of more than a hundred years.
    """
    if text == "0":
        return timedelta()
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration, such as 12h, 14d or 2w")
    seconds = sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"{text!r} is more than a hundred years")
    return timedelta(seconds=seconds)


def format_duration(duration: timedelta) -> str:
    """Return a duration in the largest unit that it is a whole number of: the inverse."""
    seconds = int(duration.total_seconds())
    for unit, length in reversed(_SECONDS.items()):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return "0"
