"""Globs of ``repository:tag``, as settings give them: which tags of which repositories.

``*`` stands for any text without a slash, ``**`` for any text, ``?`` for one character that is no
slash; everything else for itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SIGNS = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
_TOKEN = re.compile(r"\*\*|\*|\?|[^*?]+")
_REPOSITORY = re.compile(r"[a-z0-9._/*?-]+")
_TAG = re.compile(r"[a-zA-Z0-9._*?-]+")


def _compile(glob: str) -> str:
    repository, colon, tag = glob.partition(":")
    if not (colon and _REPOSITORY.fullmatch(repository) and _TAG.fullmatch(tag)):
        raise ValueError(f"{glob!r} is no glob of repository:tag, such as prod/**:v*")
    return "".join(_SIGNS.get(token) or re.escape(token) for token in _TOKEN.findall(glob))


@dataclass(frozen=True)
class TagGlobs:
    """Any number of globs; without one nothing matches."""

    texts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """:raises ValueError: a glob is none; says which, and what one looks like."""
        pattern = "|".join(map(_compile, self.texts))
        object.__setattr__(self, "_pattern", re.compile(pattern) if self.texts else None)

    @classmethod
    def parse(cls, text: str) -> TagGlobs:
        """Globs between commas or blanks. :raises ValueError:"""
        return cls(tuple(text.replace(",", " ").split()))

    def match(self, repository: str, tag: str) -> bool:
        pattern: re.Pattern[str] | None = self.__dict__["_pattern"]
        return pattern is not None and pattern.fullmatch(f"{repository}:{tag}") is not None


NO_TAGS = TagGlobs()
