"""Globs of what a token says of its bearer: its subject, and other claims.

Subjects are made of parts, as `repo:org/app:ref:refs/heads/main` (GitHub) and
`system:serviceaccount:team:builder` (Kubernetes). ``*`` stands for any text within one part: it
stops at ``/`` and at ``:``, so that ``repo:org/*:ref:refs/heads/main`` fits every repository of the
organization on that branch, and ``repo:org/*`` fits none of them with whatever else behind. ``**``
stands for any text, ``?`` for one character that is neither; everything else for itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_SIGNS = {"**": r"[\s\S]*", "*": "[^/:]*", "?": "[^/:]"}
_TOKEN = re.compile(r"\*\*|\*|\?|[^*?]+")


class ClaimGlobs:
    """Any number of globs, of which one has to fit; without one nothing fits."""

    def __init__(self, globs: Iterable[str]) -> None:
        self._patterns = [re.compile(_compile(glob)) for glob in globs]

    def fit(self, claim: Any) -> bool:
        """Whether one of them fits the claim, or any element of it where it is a list.

        Truth values and numbers are compared as JSON writes them; what is missing fits nothing.
        """
        if isinstance(claim, list):
            return any(self.fit(element) for element in claim if not isinstance(element, list))
        text = _text(claim)
        return text is not None and any(pattern.fullmatch(text) for pattern in self._patterns)


def all_fit(globs: Mapping[str, ClaimGlobs], claims: Mapping[str, Any]) -> bool:
    """Whether each of the named claims is there, and fits."""
    return all(one.fit(claims.get(name)) for name, one in globs.items())


def _compile(glob: str) -> str:
    return "".join(_SIGNS.get(token) or re.escape(token) for token in _TOKEN.findall(glob))


def _text(claim: Any) -> str | None:
    if isinstance(claim, bool):
        return str(claim).lower()
    return str(claim) if isinstance(claim, str | int) else None
