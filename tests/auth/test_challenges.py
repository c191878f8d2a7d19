"""The parser of challenges is the inverse of writing them. RFC 9110, section 11.6.1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.auth.challenges import Challenge, parse_challenges

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=8)
TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20)
CHALLENGES = st.builds(Challenge, NAMES, st.dictionaries(NAMES, TEXTS, max_size=3))


@given(st.lists(CHALLENGES, max_size=3))
def test_written_challenges_are_parsed_to_the_same_values(challenges: list[Challenge]) -> None:
    assert parse_challenges(", ".join(map(str, challenges))) == challenges


@pytest.mark.parametrize(
    "header, challenges",
    [
        ("", []),
        (
            'Bearer realm="https://a.test/token",service="a.test",scope="repository:a:pull,push"',
            [
                Challenge(
                    "Bearer",
                    {
                        "realm": "https://a.test/token",
                        "service": "a.test",
                        "scope": "repository:a:pull,push",
                    },
                )
            ],
        ),
        ("Basic realm=plain", [Challenge("Basic", {"realm": "plain"})]),
        ("Basic realm=", [Challenge("Basic")]),
        (
            'Basic Realm = "a \\"b\\"" , charset=UTF-8,, Negotiate',
            [Challenge("Basic", {"realm": 'a "b"', "charset": "UTF-8"}), Challenge("Negotiate")],
        ),
        (
            'NTLM TlRMTVNTUAAC==, Basic realm="a, Bearer b=c"',
            [Challenge("NTLM"), Challenge("Basic", {"realm": "a, Bearer b=c"})],
        ),
    ],
)
def test_challenges_of_other_servers_are_parsed(header: str, challenges: list[Challenge]) -> None:
    assert parse_challenges(header) == challenges


@pytest.mark.parametrize(
    "header", ['"', 'Basic realm="a', "Basic realm=a b", 'Basic "a"', "é", "Basic a b"]
)
def test_a_malformed_header_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match="malformed challenge"):
        parse_challenges(header)
