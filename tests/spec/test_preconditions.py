"""``If-Match`` and ``If-None-Match``: RFC 9110 sections 8.8.3 and 13.1."""

from __future__ import annotations

import pytest

from registry_core.spec.digest import Digest
from registry_core.spec.errors import ErrorCode
from registry_core.spec.preconditions import (
    Precondition,
    PreconditionFailed,
    applies_to_range,
)

HERE = Digest.of(b"what is there")
OTHER = Digest.of(b"another")
LONG = Digest.of(b"what is there", "sha512")


def precondition(if_match: str | None, if_none_match: str | None = None) -> Precondition:
    parsed = Precondition.parse(if_match, if_none_match)
    assert parsed is not None
    return parsed


def test_without_both_header_fields_there_is_no_precondition() -> None:
    assert Precondition.parse(None, None) is None


@pytest.mark.parametrize("if_match", [None, "*", "", f'"{HERE}"', f'"{HERE}", "{OTHER}"'])
@pytest.mark.parametrize("if_none_match", [None, "*", f'"{OTHER}"'])
def test_a_precondition_is_written_back_to_the_header_fields_it_was_parsed_from(
    if_match: str | None, if_none_match: str | None
) -> None:
    parsed = Precondition.parse(if_match, if_none_match)
    if parsed is not None:
        written = parsed.headers
        assert (written.get("If-Match") is None) == (if_match is None)
        again = Precondition.parse(written.get("If-Match"), written.get("If-None-Match"))
        assert again == parsed


MATCHING = [
    "*",
    " * ",
    f'"{HERE}"',
    f'"{OTHER}", "{HERE}"',
    f'"{OTHER}" ,,"{HERE}",',
    f'"a, b", "{HERE}"',
    str(HERE),
]
NOT_MATCHING = [
    "",
    ",",
    '""',
    '"*"',
    f'"{OTHER}"',
    f'"{OTHER}", "{LONG}"',
    f'"{HERE} "',
    f'"{HERE}-gzip"',
    f'"a, {HERE}, b"',
]


@pytest.mark.parametrize("header", MATCHING)
def test_if_match_holds_for_a_listed_etag(header: str) -> None:
    assert precondition(header).holds(HERE)


@pytest.mark.parametrize("header", [*NOT_MATCHING, f'W/"{HERE}"'])
def test_if_match_does_not_hold_for_another_or_a_weak_etag(header: str) -> None:
    assert not precondition(header).holds(HERE)


@pytest.mark.parametrize("header", [*MATCHING, *NOT_MATCHING])
def test_if_match_never_holds_where_nothing_is(header: str) -> None:
    assert not precondition(header).holds(None)


@pytest.mark.parametrize("header", [*MATCHING, f'W/"{HERE}"', f'W/"{OTHER}", W/"{HERE}"'])
def test_if_none_match_does_not_hold_for_a_listed_etag_weak_or_strong(header: str) -> None:
    assert not precondition(None, header).holds(HERE)


@pytest.mark.parametrize("header", NOT_MATCHING)
def test_if_none_match_holds_for_another_etag(header: str) -> None:
    assert precondition(None, header).holds(HERE)


@pytest.mark.parametrize("header", [*MATCHING, *NOT_MATCHING])
def test_if_none_match_holds_where_nothing_is(header: str) -> None:
    assert precondition(None, header).holds(None)


def test_both_must_hold() -> None:
    both = precondition(f'"{HERE}"', f'"{OTHER}"')
    assert both.holds(HERE)
    assert not both.holds(OTHER)
    assert not both.holds(None)


@pytest.mark.parametrize(
    "if_match, if_none_match, current, message",
    [
        (f'"{OTHER}"', None, HERE, "If-Match does not hold: the reference has another ETag"),
        ("*", None, None, "If-Match does not hold: there is nothing under this reference"),
        (None, "*", HERE, "If-None-Match does not hold: the reference exists already"),
    ],
)
def test_the_error_says_which_field_does_not_hold_and_names_no_digest(
    if_match: str | None, if_none_match: str | None, current: Digest | None, message: str
) -> None:
    with pytest.raises(PreconditionFailed, match=message) as refusal:
        precondition(if_match, if_none_match).check(current)
    assert refusal.value.http_status == 412
    assert refusal.value.code is ErrorCode.DENIED
    assert HERE.hex not in str(refusal.value)


def test_a_precondition_that_holds_raises_nothing() -> None:
    precondition(f'"{HERE}"', f'"{OTHER}"').check(HERE)
    precondition(None, "*").check(None)


@pytest.mark.parametrize("header", [None, f'"{HERE}"', str(HERE)])
def test_a_range_applies_without_if_range_or_with_the_etag(header: str | None) -> None:
    assert applies_to_range(header, HERE)


@pytest.mark.parametrize(
    "header", ["", "*", f'"{OTHER}"', f'W/"{HERE}"', "Sat, 29 Oct 1994 19:43:31 GMT"]
)
def test_a_range_does_not_apply_with_another_weak_etag_or_a_date(header: str) -> None:
    assert not applies_to_range(header, HERE)
