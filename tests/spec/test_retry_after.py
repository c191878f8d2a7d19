"""``Retry-After``: seconds or a date."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from registry_core.spec.retry_after import find_retry_after, parse_retry_after


@pytest.mark.parametrize(
    "value,seconds",
    [
        ("0", 0),
        ("120", 120),
        (" 3 ", 3),
        ("9" * 400, math.inf),
        ("", None),
        (None, None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("\u0663", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Thu, 99 Jan 1970 00:00:00 GMT", None),
        ("Thu, 01 Jan 99999999999 00:00:00 GMT", None),
        ("Thu, 01 Jan 1970 00:00:00 +99999999999999", None),
    ],
)
def test_retry_after_has_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value) == seconds


def test_a_date_to_retry_after_is_in_so_many_seconds() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    found = parse_retry_after(date)
    assert found is not None
    assert 85 < found <= 90


@pytest.mark.parametrize("name", ["Retry-After", "retry-after"])
def test_it_is_found_among_headers(name: str) -> None:
    assert find_retry_after({"Date": "today", name: "7"}) == 7
    assert find_retry_after({"Date": "today"}) is None
