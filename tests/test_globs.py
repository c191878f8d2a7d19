"""Globs of repositories and of ``repository:tag``: what they match, and in how many steps."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_core.globs import (
    NO_TAGS,
    Glob,
    GlobSet,
    RepositoryGlobs,
    State,
    TagGlobs,
    UrlGlobs,
    beginning,
    compile_glob,
)


@pytest.mark.parametrize(
    "globs, matching, others",
    [
        ("app:v1", ["app:v1"], ["app:v11", "app:v2", "an/app:v1", "ap:v1"]),
        ("app:v*", ["app:v", "app:v1.2-rc"], ["app:1", "app:V1"]),
        ("*:v1", ["app:v1"], ["an/app:v1"]),
        ("**:v1", ["app:v1", "an/app:v1"], ["app:v2"]),
        ("prod/**:*", ["prod/a:v1", "prod/a/b:x"], ["prod:v1", "preprod/a:v1"]),
        ("a?c:v?", ["abc:v1"], ["a/c:v1", "ac:v1", "abc:v"]),
        ("a.c:1.0", ["a.c:1.0"], ["abc:1.0", "a.c:110"]),
        ("a:1, b:2\n c:3", ["a:1", "b:2", "c:3"], ["a:2", "d:1"]),
        ("", [], ["a:1"]),
    ],
)
def test_a_glob_matches_all_of_repository_and_tag(
    globs: str, matching: list[str], others: list[str]
) -> None:
    parsed = TagGlobs.parse(globs)
    for text in matching:
        assert parsed.match(*text.split(":")), text
    for text in others:
        assert not parsed.match(*text.split(":")), text


def test_an_empty_collection_matches_nothing() -> None:
    assert not NO_TAGS.match("a", "v1")


@pytest.mark.parametrize("text", ["app", "app:", ":v1", "App:v1", "a:b:c", "a:b/c", "a[1]:v1"])
def test_the_message_names_an_invalid_glob(text: str) -> None:
    with pytest.raises(ValueError, match="not a glob of repository:tag") as error:
        TagGlobs.parse(f"fine:v1 {text}")
    assert repr(text) in str(error.value)


@pytest.mark.parametrize("text", ["a", "ab", "ab/c", "b/c", "abc", "x/c", "ab/c/d", "b"])
def test_many_globs_match_what_any_of_them_does(text: str) -> None:
    globs = ("a", "ab", "ab/*", "abc*", "ab**d", "**/c", "?")
    assert RepositoryGlobs(globs).match(text) is any(
        RepositoryGlobs((glob,)).match(text) for glob in globs
    )


def test_of_a_thousand_globs_only_those_are_compiled_that_begin_as_the_text_does() -> None:
    globs = RepositoryGlobs(tuple(f"unlike-{number}/**" for number in range(1000)))
    before = compile_glob.cache_info().misses
    assert globs.match("unlike-77/app")
    assert not globs.match("other/app")
    assert compile_glob.cache_info().misses == before + 1


def naive(glob: str, text: str, separators: str) -> bool:
    """The definition, glob character by glob character."""
    ends = {0}
    for token in re.findall(r"(?s)\*\*|.", glob):
        if token in ("*", "**"):
            free = separators if token == "*" else ""
            for start in sorted(ends):
                for end in range(start, len(text)):
                    if text[end] in free:
                        break
                    ends.add(end + 1)
        else:
            ends = {
                end + 1
                for end in ends
                if end < len(text)
                and (text[end] not in separators if token == "?" else text[end] == token)
            }
    return len(text) in ends


ALPHABET = st.sampled_from(["a", "b", "/", ":", "\n"])


@settings(max_examples=1000)
@given(
    st.lists(ALPHABET | st.sampled_from(["*", "**", "?"]), max_size=9).map("".join),
    st.text(ALPHABET, max_size=9),
    st.sampled_from(["/", "/:"]),
)
def test_a_glob_matches_what_it_says(glob: str, text: str, separators: str) -> None:
    expected = naive(glob, text, separators)
    assert Glob(glob, separators).match(text) is expected
    assert GlobSet([glob], separators).match(text) is expected


@pytest.mark.parametrize(
    "glob, beginning_", [("a/b", "a/b"), ("a/b*", "a/b"), ("a?*", "a"), ("*?", ""), ("", "")]
)
def test_everything_that_a_glob_matches_begins_as_the_glob_does(glob: str, beginning_: str) -> None:
    assert beginning(glob) == beginning_


class Counting(Glob):
    """A glob that counts its steps."""

    steps = 0

    def after(self, state: State, character: str) -> State:
        self.steps += 1
        return super().after(state, character)


@pytest.mark.parametrize(
    "glob",
    ["**a**a**a**a**b", "**a*a**a*a**a*b", "*a*a*a*a*a*a*b", "**a?a*a?a**a?b", "**" * 40 + "*b"],
)
@pytest.mark.parametrize("length", [255, 20_000])
def test_a_match_takes_a_step_for_each_character_at_most(glob: str, length: int) -> None:
    """Whatever the glob: each of these made a backtracking matcher try for minutes."""
    for text in ("a" * length + "b" + "c", "a" * length, "/ab" * (length // 3)):
        counting = Counting(glob)
        counting.match(text)
        assert counting.steps <= len(text)


@pytest.mark.parametrize(
    "glob, matching, others",
    [
        (
            "https://mcr.microsoft.com/**",
            ["https://mcr.microsoft.com/", "https://mcr.microsoft.com/v2/a?b=c"],
            ["http://mcr.microsoft.com/", "https://mcr.microsoft.com.evil.example/"],
        ),
        (
            "https://*.example.com/layers/*",
            ["https://a.example.com/layers/1", "https://a.b.example.com/layers/"],
            ["https://example.com/layers/1", "https://a.example.com/layers/1/2"],
        ),
        ("http://*/**", ["http://a.example:81/b/c"], ["https://a.example/"]),
        ("https://a.example:444/?", ["https://a.example:444/b"], ["https://a.example/b"]),
    ],
)
def test_a_glob_of_urls_matches_all_of_a_url(
    glob: str, matching: list[str], others: list[str]
) -> None:
    globs = UrlGlobs((glob,))
    for url in matching:
        assert globs.match(url), url
    for url in others:
        assert not globs.match(url), url


@pytest.mark.parametrize(
    "text",
    [
        "mcr.microsoft.com/**",
        "https://mcr.microsoft.com",
        "https://mcr.microsoft.com*/**",
        "https://mcr.*.com/**",
        "https://MCR.microsoft.com/**",
        "^https://mcr.microsoft.com/",
        r"https://([^/]+\.)*microsoft\.com/",
        "https://mcr.microsoft.com/.*",
        "https://mcr.microsoft.com/a|b",
        "https?://mcr.microsoft.com/",
        "ftp://a.example/**",
        "",
    ],
)
def test_regular_expressions_and_open_hosts_are_not_globs_of_urls(text: str) -> None:
    """Those of distribution would match other URLs if they were read as globs."""
    with pytest.raises(ValueError, match="is not a glob of URLs, such as https://") as error:
        UrlGlobs((text,))
    assert repr(text) in str(error.value)
