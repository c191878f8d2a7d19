"""Whether a glob can match any name, and whether one glob covers another."""

from __future__ import annotations

import re
import time
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.glob_coverage import TAGS, can_match, covers
from registry_core.globs import RepositoryGlobs
from registry_core.spec.names import is_name, is_tag

GLOBS = st.lists(st.sampled_from(["a", "b", "/", "-", "_", "*", "**", "?"]), min_size=1, max_size=6)
NAMES = [
    name
    for length in range(1, 6)
    for name in map("".join, product("ab/-_", repeat=length))
    if is_name(name)
]

TAG_GLOBS = st.lists(st.sampled_from(["A", "b", ".", "-", "_", "*", "?"]), min_size=1, max_size=6)
TAG_NAMES = [
    tag
    for length in range(1, 6)
    for tag in map("".join, product("Ab.-_", repeat=length))
    if is_tag(tag)
]


def naive(glob: str, name: str) -> bool:
    signs = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.findall(r"\*\*|\*|\?|.", glob)
    return bool(re.fullmatch("".join(signs.get(t) or re.escape(t) for t in tokens), name))


@given(GLOBS.map("".join))
def test_globs_match_like_regular_expressions(glob: str) -> None:
    globs = RepositoryGlobs((glob,))
    for name in NAMES:
        assert globs.match(name) == naive(glob, name), name


@given(GLOBS.map("".join))
def test_a_glob_that_matches_a_name_can_match(glob: str) -> None:
    assert can_match(glob) or not any(naive(glob, name) for name in NAMES)


@pytest.mark.parametrize("glob", ["a", "**", "*", "?", "a-?", "a__*", "*.*", "a" * 255, "**/b/?"])
def test_globs_like_a_valid_name_can_match(glob: str) -> None:
    assert can_match(glob)


@pytest.mark.parametrize(
    "glob", ["/", "a//b", "-a", "a.", "a..b", "a___b", "a" * 256, "*/", "?" * 256]
)
def test_globs_unlike_any_valid_name_cannot_match(glob: str) -> None:
    assert not can_match(glob)


@given(GLOBS.map("".join), GLOBS.map("".join))
def test_a_glob_covers_another_only_if_it_matches_all_its_names(wide: str, narrow: str) -> None:
    if covers(wide, narrow):
        assert [name for name in NAMES if naive(narrow, name) and not naive(wide, name)] == []


@pytest.mark.parametrize(
    "wide, narrow",
    [
        ("**", "a"),
        ("a/**", "a/*/b"),
        ("*", "a*b"),
        ("a*", "a?"),
        ("a/?**", "a/**"),
        ("**/**", "*/*"),
    ],
)
def test_obvious_coverage_is_found(wide: str, narrow: str) -> None:
    assert covers(wide, narrow)


@given(TAG_GLOBS.map("".join), TAG_GLOBS.map("".join))
def test_globs_of_tags_are_compared_by_the_grammar_of_tags(wide: str, narrow: str) -> None:
    matched = [tag for tag in TAG_NAMES if naive(narrow, tag)]
    assert can_match(narrow, TAGS) or not matched
    if covers(wide, narrow, TAGS):
        assert [tag for tag in matched if not naive(wide, tag)] == []


@pytest.mark.parametrize("glob", [".*", "-?", "a" * 129, "?" * 129])
def test_globs_unlike_any_valid_tag_cannot_match(glob: str) -> None:
    assert not can_match(glob, TAGS)


@pytest.mark.parametrize("wide, narrow", [("*", "v?.*"), ("v*", "v1.*"), ("V?", "V1")])
def test_obvious_coverage_of_tags_is_found(wide: str, narrow: str) -> None:
    assert covers(wide, narrow, TAGS)
    assert not covers(narrow, wide, TAGS)


def test_malicious_globs_do_not_take_long() -> None:
    """Neither when the document is parsed nor when a malicious name is matched."""
    began = time.process_time()
    covers("**a" + "?" * 20, "**b" + "?" * 20 + "a**")
    can_match("**a" + "?" * 30 + "..**b" + "?" * 30)
    assert RepositoryGlobs(("**a*a**a*a*a*a*a*a**b",)).match("a/" * 127) is False
    assert time.process_time() - began < 5
