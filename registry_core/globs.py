"""Globs of repositories, tags, ``repository:tag``, URLs and claims, as settings have them.

``*`` matches any text without a separator, ``**`` any text, ``?`` one character except a separator.
All other characters match themselves. The separator is the slash; in claims the colon as well.

All globs are matched by one automaton, in a time that is proportional to the text, whatever the
glob: nothing is ever tried twice.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

ANY, ANY_PART, ONE = "**", "*", "?"

_TOKEN = re.compile(r"\*\*|\*|\?|[^*?]+")
_REPOSITORY = re.compile(r"[a-z0-9._/*?-]+")
_TAG = re.compile(r"[a-zA-Z0-9._*?-]+")
# A wildcard in the host stands for its first labels only: "https://example.com*/" would match the
# host example.com.evil.example.
_URL = re.compile(
    r"https?://(?:\*|(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*)(?::[0-9]{1,5})?"
    r"/[A-Za-z0-9._~:/@!&',;=%*?-]*"
)

State: TypeAlias = int
"""The positions in a glob that may have been reached, one bit each. 0: no text can match now."""


def beginning(glob: str) -> str:
    """Return the text that everything begins with which the glob matches."""
    return glob[: min(map(len, (glob.split("*", maxsplit=1)[0], glob.split("?", maxsplit=1)[0])))]


def outermost(texts: Iterable[str]) -> tuple[str, ...]:
    """Return those of the texts that begin with no other one, sorted."""
    found: list[str] = []
    for text in sorted(texts):
        if not (found and text.startswith(found[-1])):
            found.append(text)
    return tuple(found)


class Glob:
    """A glob as an automaton. A position counts the characters that have been matched."""

    start: State = 1

    def __init__(self, glob: str, separators: str = "/") -> None:
        """Compile a glob. :param separators: the characters that only ``**`` matches."""
        self.beginning = beginning(glob)
        self._separators = frozenset(separators)
        # A text that lacks one of these does not match: a quick check before the automaton.
        self._texts = [token for token in _TOKEN.findall(glob) if token[0] not in "*?"]
        # By character, the positions that it leads on from; of "?", those of any character.
        self._advancing: dict[str, State] = defaultdict(int)
        # The positions with a wildcard, where a character may change nothing.
        self._any = self._any_part = 0
        position = 0
        for token in _TOKEN.findall(glob):
            if token == ANY:
                self._any |= 1 << position
            elif token == ANY_PART:
                self._any_part |= 1 << position
            else:
                for character in token:
                    self._advancing["" if token == ONE else character] |= 1 << position
                    position += 1
        self._end = 1 << position

    @property
    def characters(self) -> frozenset[str]:
        """The characters in the glob's text."""
        return frozenset(self._advancing) - {""}

    def after(self, state: State, character: str) -> State:
        """Return the state after another character."""
        advancing, staying = self._advancing.get(character, 0), self._any
        if character not in self._separators:
            advancing |= self._advancing.get("", 0)
            staying |= self._any_part
        return (state & advancing) << 1 | state & staying

    def accepts(self, state: State) -> bool:
        """Whether the characters so far match."""
        return state & self._end != 0

    def match(self, text: str) -> bool:
        """Whether the glob matches all of a text."""
        if not text.startswith(self.beginning) or not all(map(text.__contains__, self._texts)):
            return False
        state = 1 << len(self.beginning)
        for character in text[len(self.beginning) :]:
            if state & self._end & self._any:  # "**" at the end
                return True
            state = self.after(state, character)
            if not state:
                return False
        return self.accepts(state)


compile_glob = lru_cache(4096)(Glob)
"""The automaton of a glob, which is made once."""


class GlobSet:
    """Globs by their beginnings, of which one has to match.

    So of a thousand globs few are compared with a text, and only those are compiled: all of them
    would take 30 ms.
    """

    def __init__(self, globs: Iterable[str], separators: str = "/") -> None:
        self._separators = separators
        self._found: dict[str, list[str]] = defaultdict(list)
        for glob in globs:
            self._found[beginning(glob)].append(glob)
        self._lengths = sorted(set(map(len, self._found)))

    def match(self, text: str) -> bool:
        """Whether one of the globs matches all of a text. Without globs nothing matches."""
        return any(
            compile_glob(glob, self._separators).match(text)
            for length in self._lengths
            if length <= len(text)
            for glob in self._found.get(text[:length], ())
        )


@dataclass(frozen=True)
class TagGlobs:
    """Globs of ``repository:tag``. An empty collection matches nothing."""

    texts: tuple[str, ...] = ()
    _set: GlobSet = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """:raises ValueError: naming the glob that is not valid, with an example."""
        for text in self.texts:
            _check_tag_glob(text)
        object.__setattr__(self, "_set", GlobSet(self.texts))

    @classmethod
    def parse(cls, text: str) -> TagGlobs:
        """Parse globs that are separated by commas or white space.

        :raises ValueError: naming the glob that is not valid, with an example.
        """
        return cls(tuple(text.replace(",", " ").split()))

    def match(self, repository: str, tag: str) -> bool:
        return self._set.match(f"{repository}:{tag}")


@dataclass(frozen=True)
class TagNameGlobs:
    """Globs of tags, whatever the repository. An empty collection matches nothing."""

    texts: tuple[str, ...] = ()
    _set: GlobSet = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """:raises ValueError: naming the glob that is not valid, with an example."""
        for text in self.texts:
            _check_tag_name_glob(text)
        object.__setattr__(self, "_set", GlobSet(self.texts))

    def match(self, tag: str) -> bool:
        return self._set.match(tag)


@dataclass(frozen=True)
class RepositoryGlobs:
    """Globs of repositories. An empty collection matches nothing.

    They may match texts that are not valid names.
    """

    texts: tuple[str, ...] = ()
    _set: GlobSet = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """:raises ValueError: naming the glob that is not valid, with an example."""
        for text in self.texts:
            _check_repository_glob(text)
        object.__setattr__(self, "_set", GlobSet(self.texts))

    def match(self, repository: str) -> bool:
        return self._set.match(repository)

    def beginnings(self) -> tuple[str, ...]:
        """Return texts with one of which each match begins: sorted, none beginning with another."""
        return outermost(map(beginning, self.texts))


@dataclass(frozen=True)
class UrlGlobs:
    """Globs of normalized URLs with http or https. An empty collection matches nothing."""

    texts: tuple[str, ...] = ()
    _set: GlobSet = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """:raises ValueError: naming the glob that is not valid, with an example."""
        for text in self.texts:
            _check_url_glob(text)
        object.__setattr__(self, "_set", GlobSet(self.texts))

    def match(self, url: str) -> bool:
        return self._set.match(url)


def _check_tag_glob(glob: str) -> None:
    repository, colon, tag = glob.partition(":")
    if not (colon and _REPOSITORY.fullmatch(repository) and _TAG.fullmatch(tag)):
        raise ValueError(f"{glob!r} is not a glob of repository:tag, such as prod/**:v*")


def _check_tag_name_glob(glob: str) -> None:
    if not _TAG.fullmatch(glob):
        raise ValueError(f"{glob!r} is not a glob of tags, such as v* or pr-?")


def _check_repository_glob(glob: str) -> None:
    if not _REPOSITORY.fullmatch(glob):
        raise ValueError(f"{glob!r} is not a glob of repositories, such as team-a/** or public/*")


def _check_url_glob(glob: str) -> None:
    # ".*" is what a regular expression has, and distribution's setting.
    if not _URL.fullmatch(glob) or ".*" in glob:
        raise ValueError(
            f"{glob!r} is not a glob of URLs, such as https://mcr.microsoft.com/** or "
            "https://*.example.com/layers/*; a glob is not a regular expression"
        )


NO_TAGS = TagGlobs()
