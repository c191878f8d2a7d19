"""Globs of repositories, of ``repository:tag`` and of URLs, as used in settings and documents.

``*`` matches any text without a slash, ``**`` any text, ``?`` one character except a slash. All
other characters match themselves.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

MAX_BACKTRACKING = 2
"""How often ``*`` may follow ``**`` in a glob: each time multiplies how long a match may take."""

_WILDCARDS = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
_TOKEN = re.compile(r"\*\*|\*|\?|[^*?]+")
_REPOSITORY = re.compile(r"[a-z0-9._/*?-]+")
_TAG = re.compile(r"[a-zA-Z0-9._*?-]+")
# A wildcard in the host stands for its first labels only: "https://example.com*/" would match the
# host example.com.evil.example.
_URL = re.compile(
    r"https?://(?:\*|(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*)(?::[0-9]{1,5})?"
    r"/[A-Za-z0-9._~:/@!&',;=%*?-]*"
)


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


_pattern = lru_cache(4096)(re.compile)


class _Patterns:
    """The regular expressions of globs, by the text before their first wildcard.

    So of a thousand globs few are compared with a text, and only those are compiled: all of them
    would take 30 ms.
    """

    def __init__(self, patterns: Mapping[str, str]) -> None:
        """:param patterns: by glob."""
        self._found: dict[str, list[str]] = defaultdict(list)
        for glob, pattern in patterns.items():
            beginning = "" if glob[0] in "*?" else tokens(glob)[0]
            self._found[beginning].append(pattern)
        self._lengths = sorted(set(map(len, self._found)))

    def match(self, text: str) -> bool:
        return any(
            _pattern(pattern).fullmatch(text)
            for length in self._lengths
            if length <= len(text)
            for pattern in self._found.get(text[:length], ())
        )


@dataclass(frozen=True)
class TagGlobs:
    """Globs of ``repository:tag``. An empty collection matches nothing."""

    texts: tuple[str, ...] = ()
    _patterns: _Patterns = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """:raises ValueError: naming the glob that is not valid, with an example."""
        patterns = {text: _of_tags(text) for text in self.texts}
        object.__setattr__(self, "_patterns", _Patterns(patterns))

    @classmethod
    def parse(cls, text: str) -> TagGlobs:
        """Parse globs that are separated by commas or white space.

        :raises ValueError: naming the glob that is not valid, with an example.
        """
        return cls(tuple(text.replace(",", " ").split()))

    def match(self, repository: str, tag: str) -> bool:
        return self._patterns.match(f"{repository}:{tag}")


@dataclass(frozen=True)
class RepositoryGlobs:
    """Globs of repositories. An empty collection matches nothing.

    They may match texts that are not valid names.
    """

    texts: tuple[str, ...] = ()
    _patterns: _Patterns = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """:raises ValueError: naming the glob that is not valid, with an example."""
        patterns = {text: _of_repositories(text) for text in self.texts}
        object.__setattr__(self, "_patterns", _Patterns(patterns))

    def match(self, repository: str) -> bool:
        return self._patterns.match(repository)


@dataclass(frozen=True)
class UrlGlobs:
    """Globs of normalized URLs with http or https. An empty collection matches nothing."""

    texts: tuple[str, ...] = ()
    _patterns: _Patterns = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """:raises ValueError: naming the glob that is not valid, with an example."""
        patterns = {text: _of_urls(text) for text in self.texts}
        object.__setattr__(self, "_patterns", _Patterns(patterns))

    def match(self, url: str) -> bool:
        return self._patterns.match(url)


def _of_tags(glob: str) -> str:
    repository, colon, tag = glob.partition(":")
    if not (colon and _REPOSITORY.fullmatch(repository) and _TAG.fullmatch(tag)):
        raise ValueError(f"{glob!r} is not a glob of repository:tag, such as prod/**:v*")
    return _compile(glob)


def _of_repositories(glob: str) -> str:
    if not _REPOSITORY.fullmatch(glob):
        raise ValueError(f"{glob!r} is not a glob of repositories, such as team-a/** or public/*")
    return _compile(glob)


def _of_urls(glob: str) -> str:
    # ".*" is what a regular expression has, and distribution's setting.
    if not _URL.fullmatch(glob) or ".*" in glob:
        raise ValueError(
            f"{glob!r} is not a glob of URLs, such as https://mcr.microsoft.com/** or "
            "https://*.example.com/layers/*; a glob is not a regular expression"
        )
    return _compile(glob)


NO_TAGS = TagGlobs()
