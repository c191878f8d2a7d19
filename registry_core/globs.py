"""Globs of repositories and of ``repository:tag``, as settings and documents give them.

``*`` stands for any text without a slash, ``**`` for any text, ``?`` for one character that is no
slash; everything else for itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

MOST_BACKTRACKING = 2
"""How often ``**`` may come before ``*`` in a glob: each multiplies how long a match may take."""

_SIGNS = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
_TOKEN = re.compile(r"\*\*|\*|\?|[^*?]+")
_REPOSITORY = re.compile(r"[a-z0-9._/*?-]+")
_TAG = re.compile(r"[a-zA-Z0-9._*?-]+")


def tokens(glob: str) -> list[str]:
    """Signs, and the texts between them."""
    return _TOKEN.findall(glob)


def _compile(glob: str) -> str:
    """The glob as a regular expression that does not go back where that can change nothing.

    The shortest way to what follows a wildcard is as good as any other when the next wildcard
    covers all that this one does. Only ``*`` after ``**`` does not.
    """
    first, *rest = re.split(r"(\*\*|\*)", glob)
    pattern, backtracking = _fixed(first), 0
    wildcards, texts = rest[::2], rest[1::2]
    for wildcard, text, after in zip(wildcards, texts, [*wildcards, ""][1:], strict=True):
        way = _SIGNS[wildcard] + ("?" if after else "") + _fixed(text)
        goes_back = (wildcard, after) == ("**", "*")
        backtracking += goes_back
        pattern += way if goes_back or not after else f"(?>{way})"
    if backtracking > MOST_BACKTRACKING:
        raise ValueError(f"{glob!r} has ** before * more than {MOST_BACKTRACKING} times")
    return pattern


def _fixed(text: str) -> str:
    return "".join(_SIGNS.get(token) or re.escape(token) for token in tokens(text))


def _union(patterns: Iterable[str]) -> re.Pattern[str] | None:
    joined = "|".join(patterns)
    return re.compile(joined) if joined else None


@dataclass(frozen=True)
class TagGlobs:
    """Any number of globs; without one nothing matches."""

    texts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """:raises ValueError: a glob is none; says which, and what one looks like."""
        object.__setattr__(self, "_pattern", _union(map(_of_tags, self.texts)))

    @classmethod
    def parse(cls, text: str) -> TagGlobs:
        """Globs between commas or blanks. :raises ValueError:"""
        return cls(tuple(text.replace(",", " ").split()))

    def match(self, repository: str, tag: str) -> bool:
        pattern: re.Pattern[str] | None = self.__dict__["_pattern"]
        return pattern is not None and pattern.fullmatch(f"{repository}:{tag}") is not None


@dataclass(frozen=True)
class RepositoryGlobs:
    """Any number of globs; without one nothing matches. Texts that are no names may match."""

    texts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """:raises ValueError: a glob is none; says which, and what one looks like."""
        object.__setattr__(self, "_pattern", _union(map(_of_repositories, self.texts)))

    def match(self, repository: str) -> bool:
        pattern: re.Pattern[str] | None = self.__dict__["_pattern"]
        return pattern is not None and pattern.fullmatch(repository) is not None


def _of_tags(glob: str) -> str:
    repository, colon, tag = glob.partition(":")
    if not (colon and _REPOSITORY.fullmatch(repository) and _TAG.fullmatch(tag)):
        raise ValueError(f"{glob!r} is no glob of repository:tag, such as prod/**:v*")
    return _compile(glob)


def _of_repositories(glob: str) -> str:
    if not _REPOSITORY.fullmatch(glob):
        raise ValueError(f"{glob!r} is no glob of repositories, such as team-a/** or public/*")
    return _compile(glob)


NO_TAGS = TagGlobs()
