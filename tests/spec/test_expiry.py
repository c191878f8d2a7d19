"""The expiry that labels and annotations ask for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from registry_core.spec.expiry import common_expiry, find_expiry, parse_expiry

OURS, QUAYS = "org.moorage.expires-after", "quay.expires-after"


@pytest.mark.parametrize(
    "labels, expiry",
    [
        (None, None),
        ({}, None),
        ({"expires-after": "2w"}, None),
        ({OURS: "2w"}, "2w"),
        ({QUAYS: "1h30m"}, "1h30m"),
        ({QUAYS: "1h", OURS: "2h"}, "2h"),
        ({QUAYS: "1h", OURS: "never"}, "1h"),
        ({OURS: 14}, None),
        ({OURS: None, QUAYS: "3d"}, "3d"),
    ],
)
def test_our_name_has_precedence_if_it_has_a_duration(
    labels: Mapping[str, object] | None, expiry: str | None
) -> None:
    assert find_expiry(labels) == expiry


@pytest.mark.parametrize(
    "text", ["", "0", "0d", " 2w", "2 weeks", "-1d", "14", "1.5h", "2W", "5300w", "1s" * 33, "٣d"]
)
def test_what_is_not_a_duration_is_ignored(text: str) -> None:
    """The image is pushed all the same, and its tags stay."""
    assert find_expiry({OURS: text}) is None
    assert parse_expiry(text) is None


def test_a_duration_is_parsed() -> None:
    assert parse_expiry("1d12h") == timedelta(hours=36)
    assert parse_expiry(None) is None


@pytest.mark.parametrize(
    "expiries, days",
    [([], None), ([2], 2), ([3, 2], 3), ([2, None], None), ([None], None)],
)
def test_an_index_expires_with_the_last_of_its_images_if_all_of_them_do(
    expiries: list[int | None], days: int | None
) -> None:
    times = [None if each is None else timedelta(each) for each in expiries]
    assert common_expiry(times) == (None if days is None else timedelta(days))
