"""Challenges, parsed as RFC 9110 section 11.6.1 has them: the inverse of how they are built."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.auth.challenge import bearer_challenge
from registry_core.spec.challenges import Challenge, parse_challenges

SCOPES = "repository:a/b:pull,push repository:c:pull"


@pytest.mark.parametrize(
    "header, challenges",
    [
        ("", []),
        (" , ,", []),
        ("Basic", [Challenge("basic")]),
        ('BASIC Realm="x"', [Challenge("basic", {"realm": "x"})]),
        ("Basic realm=x", [Challenge("basic", {"realm": "x"})]),
        (
            'Bearer realm = "x" ,\tservice="y"',
            [Challenge("bearer", {"realm": "x", "service": "y"})],
        ),
        ('Bearer realm="a,b \\"c\\" \\\\"', [Challenge("bearer", {"realm": 'a,b "c" \\'})]),
        ('Bearer realm=""', [Challenge("bearer", {"realm": ""})]),
        (
            f'Bearer realm="https://r/token",service="r",scope="{SCOPES}"',
            [Challenge("bearer", {"realm": "https://r/token", "service": "r", "scope": SCOPES})],
        ),
        (
            'Newauth realm="apps", type=1, title="Login", Basic realm="simple"',
            [
                Challenge("newauth", {"realm": "apps", "type": "1", "title": "Login"}),
                Challenge("basic", {"realm": "simple"}),
            ],
        ),
        (
            'Negotiate, Bearer realm="x"',
            [Challenge("negotiate"), Challenge("bearer", {"realm": "x"})],
        ),
        (
            "Negotiate YWJj==, Basic realm=x",
            [Challenge("negotiate", token="YWJj=="), Challenge("basic", {"realm": "x"})],
        ),
    ],
)
def test_a_header_is_parsed(header: str, challenges: list[Challenge]) -> None:
    assert parse_challenges(header) == challenges


@pytest.mark.parametrize(
    "header",
    ['Bearer realm="x', 'Bearer realm="x" service="y"', "Bearer @", '"x"', "Bearer a=1, A=2"],
)
def test_a_malformed_header_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match=r"malformed challenge|occurs twice"):
        parse_challenges(header)


@given(realm=st.text(st.characters(min_codepoint=32, max_codepoint=126)), service=st.text('a\\",'))
def test_parsing_is_the_inverse_of_building(realm: str, service: str) -> None:
    """Any text comes back, with quotes, backslashes and commas."""
    [challenge] = parse_challenges(bearer_challenge(realm, service))
    assert challenge == Challenge("bearer", {"realm": realm, "service": service})
