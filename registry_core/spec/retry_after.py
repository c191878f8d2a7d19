"""``Retry-After``: when a refused request is worth another try.

Source: RFC 9110, section 10.2.3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def parse_retry_after(value: str | None) -> float | None:
    """Return the seconds that a ``Retry-After`` asks for; None without one, or if it is malformed.

    It has seconds, or a date.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text) if len(text) < 10 else math.inf
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # OverflowError: a year or a time zone of many digits
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def find_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the same for headers, whatever the case of their names."""
    values = (value for name, value in headers.items() if name.lower() == "retry-after")
    return parse_retry_after(next(values, None))
