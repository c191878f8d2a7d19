"""An issuer elsewhere whose tokens prove who their bearer is, as a rules document names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Federation:
    """Tokens of ``issuer`` made out to ``audience``, with such a subject and such claims.

    ``subjects`` and the values of ``claims`` are globs, as `auth.claim_globs` matches them.
    """

    name: str
    issuer: str
    audience: str
    subjects: tuple[str, ...]
    claims: Mapping[str, str] = field(default_factory=dict)
