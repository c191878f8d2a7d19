"""Globs of repositories and of ``repository:tag``, as used in settings and documents.

``*`` matches any text without a slash, ``**`` any text, ``?`` one character except a slash. All
other characters match themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

MAX_BACKTRACKING = 2
"""How often ``*`` may follow ``**`` in a glob: each time multiplies how long a match may take."""

_WILDCARDS = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
_TOKEN = re.compile(r"\*\*|\*|\?|[^*?]+")
_REPOSITORY = re.compile(r"[a-z0-9._/*?-]+")
_TAG = re.compile(r"[a-zA-Z0-9._*?-]+")


def tokens(glob: str) -> list[str]:
    """Split a glob into its wildcards and the texts between them."""
    return _TOKEN.findall(glob)


@lru_cache(4096)
def _compile(glob: str) -> str:
    """Return the glob as a regular expression that backtracks only where it can matter.

    The shortest match of a wildcard is as good as any other if the next wildcard matches everything
    that this one does. Only ``*`` after ``**`` does not.

    :raises ValueError: it would backtrack too much.
    """
    first, *rest = re.split(r"(\*\*|\*)", glob)
    pattern, backtracking = _fixed(first), 0
    wildcards, texts = rest[::2], rest[1::2]
    for wildcard, text, after in zip(wildcards, texts, [*wildcards, ""][1:], strict=True):
        part = _WILDCARDS[wildcard] + ("?" if after else "") + _fixed(text)
        backtracks = (wildcard, after) == ("**", "*")
        backtracking += backtracks
        pattern += part if backtracks or not after else f"(?>{part})"
    if backtracking > MAX_BACKTRACKING:
        raise ValueError(f"{glob!r} has * after ** more than {MAX_BACKTRACKING} times")
    return pattern


def _fixed(text: str) -> str:
    return "".join(_WILDCARDS.get(token) or re.escape(token) for token in tokens(text))


def _union(patterns: Iterable[str]) -> re.Pattern[str] | None:
    joined = "|".join(patterns)
    return re.compile(joined) if joined else None


@dataclass(frozen=True)
class TagGlobs:
    """Globs of ``repository:tag``. An empty collection matches nothing."""

    texts: tuple[str, ...] = ()
    _pattern: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """:raises ValueError: naming the glob that is not valid, with an example."""
        object.__setattr__(self, "_pattern", _union(map(_of_tags, self.texts)))

    @classmethod
    def parse(cls, text: str) -> TagGlobs:
        """Parse globs that are separated by commas or white space.

        :raises ValueError: naming the glob that is not valid, with an example.
        """
        return cls(tuple(text.replace(",", " ").split()))

    def match(self, repository: str, tag: str) -> bool:
        text = f"{repository}:{tag}"
        return self._pattern is not None and self._pattern.fullmatch(text) is not None


@dataclass(frozen=True)
class RepositoryGlobs:
    """Globs of repositories. An empty collection matches nothing.

    They may match texts that are not valid names.
    """

    texts: tuple[str, ...] = ()
    _pattern: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """:raises ValueError: naming the glob that is not valid, with an example."""
        object.__setattr__(self, "_pattern", _union(map(_of_repositories, self.texts)))

    def match(self, repository: str) -> bool:
        return self._pattern is not None and self._pattern.fullmatch(repository) is not None


def _of_tags(glob: str) -> str:
    repository, colon, tag = glob.partition(":")
    if not (colon and _REPOSITORY.fullmatch(repository) and _TAG.fullmatch(tag)):
        raise ValueError(f"{glob!r} is not a glob of repository:tag, such as prod/**:v*")
    return _compile(glob)


def _of_repositories(glob: str) -> str:
    if not _REPOSITORY.fullmatch(glob):
        raise ValueError(f"{glob!r} is not a glob of repositories, such as team-a/** or public/*")
    return _compile(glob)


NO_TAGS = TagGlobs()
