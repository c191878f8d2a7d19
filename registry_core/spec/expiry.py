"""What an image says about its own expiry: an annotation or a label with a duration.

Source: Quay, "Setting tag expirations", for its label; ours has the precedence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from .durations import parse_duration

EXPIRES_AFTER = ("org.moorage.expires-after", "quay.expires-after")
"""The names of the annotation or label, by precedence."""

# Characters: the longest duration that is worth writing has fewer.
_LONGEST = 64


def find_expiry(labels: Mapping[str, object] | None) -> str | None:
    """Return the first duration that labels or annotations have for it, as text.

    Whatever else they have there is ignored: an image is not refused for it.
    """
    for name in EXPIRES_AFTER:
        text = (labels or {}).get(name)
        if isinstance(text, str) and parse_expiry(text):
            return text
    return None


def parse_expiry(text: str | None) -> timedelta | None:
    """Return a duration; None for one of no time at all, and for other texts."""
    if text is None or len(text) > _LONGEST:
        return None
    try:
        return parse_duration(text) or None
    except ValueError:
        return None


def common_expiry(expiries: Iterable[timedelta | None]) -> timedelta | None:
    """Return when an index expires that does not say so itself: with the last one of its images.

    A label of a Dockerfile is in the images only. If all of them have it, Quay, too, applies it to
    the index.

    :param expiries: those of its images, without attestations. If one has none, the index has none.
    """
    found = list(expiries)
    times = [each for each in found if each is not None]
    return max(times, default=None) if len(times) == len(found) else None
