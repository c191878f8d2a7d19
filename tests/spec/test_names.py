"""Repository names and tags follow the specification's grammar exactly."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registry_core.spec.errors import NameInvalid, TagInvalid
from registry_core.spec.names import NAME_COMPONENT, is_name, is_tag, parse_name, parse_tag

from .strategies import names

# As the specification's "Pulling manifests" prints them.
SPEC_NAME = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
SPEC_TAG = r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"

GOOD_NAMES = [
    "a",
    "0",
    "nginx",
    "library/nginx",
    "a.b",
    "a_b",
    "a__b",
    "a-b",
    "a----b",
    "a/b/c/d/e/f/g/h",
    "a.b_c__d-e---f/0.1",
    "v2",
    "blobs/uploads",
    "manifests/latest",
    "a" * 255,
    "a/" * 127 + "a",
]
BAD_NAMES = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    "A",
    "library/Nginx",
    ".",
    "..",
    "a/../b",
    "a/./b",
    ".a",
    "a.",
    "a..b",
    "_a",
    "a_",
    "a___b",
    "_layers",
    "a/_uploads/b",
    "-a",
    "a-",
    "a-/b",
    "a.-b",
    "a_-b",
    "a._b",
    "a b",
    " a",
    "a ",
    "a\n",
    "\na",
    "a\r\nX-Injected: yes",
    "a\0",
    "a\tb",
    "a:b",
    "a@b",
    "a%2fb",
    "a\\b",
    "a?b",
    "a#b",
    "a+b",
    "café",
    "a٣",
    "a²",
    "\uff41",
    "\u017f",
    "a/" * 128 + "a",
    "a" * 256,
    "a" + "-" * 254,
]
GOOD_TAGS = ["latest", "1.0", "v1", "_", "_a", "A", "a..b", "a--", "3.1.4-rc.1_x", "t" * 128]
BAD_TAGS = [
    "",
    ".",
    "-",
    ".a",
    "-a",
    "t" * 129,
    "a/b",
    "a b",
    "a:b",
    "a@b",
    "a+b",
    "a\n",
    "\na",
    "a\r\nX-Injected: yes",
    "a\0",
    "ä",
    "٣",
    "²",
    "\uff41",
    "\u017f",
    "\u212a",
]


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_valid_name_is_returned_unchanged(name: str) -> None:
    assert is_name(name)
    assert parse_name(name) == name


@pytest.mark.parametrize("name", BAD_NAMES)
def test_an_invalid_name_is_refused(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(NameInvalid) as refusal:
        parse_name(name)
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("tag", GOOD_TAGS)
def test_a_valid_tag_is_returned_unchanged(tag: str) -> None:
    assert is_tag(tag)
    assert parse_tag(tag) == tag


@pytest.mark.parametrize("tag", BAD_TAGS)
def test_an_invalid_tag_is_refused(tag: str) -> None:
    assert not is_tag(tag)
    with pytest.raises(TagInvalid) as refusal:
        parse_tag(tag)
    assert str(refusal.value).isprintable()


@given(names() | st.from_regex(NAME_COMPONENT, fullmatch=True))
def test_what_the_grammar_generates_is_a_name_up_to_the_length_limit(name: str) -> None:
    assert is_name(name) == (len(name) <= 255)


@given(st.from_regex(SPEC_TAG, fullmatch=True))
def test_what_the_grammar_generates_is_a_tag(tag: str) -> None:
    assert is_tag(tag)


@given(st.from_regex(SPEC_TAG, fullmatch=True).filter(lambda tag: not tag.endswith(".")))
def test_what_the_grammar_generates_can_be_set_unless_it_ends_with_a_dot(tag: str) -> None:
    assert parse_tag(tag) == tag


@pytest.mark.parametrize("tag", ["v1.", "v1..", "1.0.", "_.", "t" * 127 + "."])
def test_a_tag_that_ends_with_a_dot_cannot_be_set_and_the_message_says_why(tag: str) -> None:
    """Azure Blob Storage strips such dots, and would move or delete another tag."""
    assert is_tag(tag)
    with pytest.raises(TagInvalid, match="ends with a dot, which Azure Blob Storage"):
        parse_tag(tag)


@given(names())
def test_no_segment_of_a_repositorys_path_ends_with_a_dot(name: str) -> None:
    assert not any(component.endswith(".") for component in name.split("/"))


def is_component(text: str) -> bool:
    """Implement the grammar in another way: runs of letters and digits, with single separators."""
    separators = re.split("[a-z0-9]+", text)
    ends, between = {separators[0], separators[-1]}, separators[1:-1]
    known = (s in (".", "_", "__") or set(s) == {"-"} for s in between)
    return text != "" and ends == {""} and all(known)


@given(st.text("ab0._-/A\n ", max_size=12) | st.text(max_size=5))
@example("a\n")
def test_names_and_tags_match_the_specifications_grammar(text: str) -> None:
    assert is_name(text) == (re.fullmatch(SPEC_NAME, text) is not None)
    assert is_name(text) == all(map(is_component, text.split("/")))
    assert is_tag(text) == (re.fullmatch(SPEC_TAG, text) is not None)


def test_the_message_describes_a_valid_name() -> None:
    with pytest.raises(NameInvalid, match="'Nginx' is not a valid repository name: use comp"):
        parse_name("Nginx")


def test_the_message_gives_the_length_limit_of_names() -> None:
    with pytest.raises(NameInvalid, match="has 256 characters; at most 255 are allowed"):
        parse_name("a" * 256)


def test_the_message_describes_a_valid_tag_and_is_short() -> None:
    with pytest.raises(
        TagInvalid, match="'-' is not a valid tag: use up to 128 letters, digits, '_'"
    ) as refusal:
        parse_tag("-")
    with pytest.raises(TagInvalid) as refusal:
        parse_tag("t" * 1_000_000)
    assert len(str(refusal.value)) < 300
