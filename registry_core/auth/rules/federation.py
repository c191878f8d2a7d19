"""Federations: the issuers whose tokens the rules accept, and which of their tokens.

Subjects are made of parts, as `repo:org/app:ref:refs/heads/main` (GitHub) and
`system:serviceaccount:team:builder` (Kubernetes). In globs of subjects and of other claims, ``*``
matches any text within one part: it stops at ``/`` and at ``:``, so that
``repo:org/*:ref:refs/heads/main`` matches that branch of every repository of the organization, and
``repo:org/*`` matches none of them. ``**`` matches any text, ``?`` one character other than ``/``
and ``:``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ...globs import GlobSet

_SEPARATORS = "/:"


class ClaimGlobs:
    """Globs of which one has to match. Without globs nothing matches."""

    def __init__(self, globs: Iterable[str]) -> None:
        self._globs = GlobSet(globs, _SEPARATORS)

    def match(self, claim: Any) -> bool:
        """Whether a glob matches the claim or, if it is a list, one of its elements.

        Booleans and numbers are compared as JSON writes them. A missing claim does not match.
        """
        if isinstance(claim, list):
            return any(self.match(element) for element in claim if not isinstance(element, list))
        text = _text(claim)
        return text is not None and self._globs.match(text)


def _text(claim: Any) -> str | None:
    if isinstance(claim, bool):
        return str(claim).lower()
    return str(claim) if isinstance(claim, str | int) else None


@dataclass(frozen=True)
class Federation:
    """The tokens of ``issuer`` for ``audience`` with one of the subjects and all of the claims.

    ``subjects`` and the values of ``claims`` are globs.
    """

    name: str
    issuer: str
    audience: str
    subjects: tuple[str, ...]
    claims: Mapping[str, str] = field(default_factory=dict)

    def mismatch(self, subject: str, claims: Mapping[str, Any]) -> str:
        """Return what excludes a token with this subject and these claims; empty if nothing does.

        Issuer and audience are not compared.
        """
        if not self.accepts_subject(subject):
            return f"the subject {subject!r} does not match"
        for name, globs in self._claim_globs.items():
            if not globs.match(claims.get(name)):
                return f"the claim {name} does not match"
        return ""

    def accepts_subject(self, subject: str) -> bool:
        """Whether one of the subjects matches."""
        return self._subject_globs.match(subject)

    @cached_property
    def _subject_globs(self) -> ClaimGlobs:
        return ClaimGlobs(self.subjects)

    @cached_property
    def _claim_globs(self) -> Mapping[str, ClaimGlobs]:
        return {name: ClaimGlobs([glob]) for name, glob in self.claims.items()}
