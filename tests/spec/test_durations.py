"""Durations in settings and rules."""

from datetime import timedelta

import pytest

from registry_core.spec.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("0", 0),
        ("90s", 90),
        ("1h30m", 5400),
        ("168h", 7 * 86400),
        ("14d", 14 * 86400),
        ("2w", 1209600),
    ],
)
def test_a_duration_is_a_sequence_of_numbers_with_units(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "14", "-1h", "1.5h", "2 w", "1y", "1h 30m", "d", "\u0661d"])
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration, such as 12h"):
        parse_duration(text)


def test_an_impossible_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="more than a hundred years"):
        parse_duration("999999999w")


@pytest.mark.parametrize("text", ["0", "90s", "90m", "23h", "3d", "2w"])
def test_a_duration_is_written_as_it_is_read(text: str) -> None:
    assert format_duration(parse_duration(text)) == text
