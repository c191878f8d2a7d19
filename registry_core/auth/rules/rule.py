"""One rule: who may do what, on which repositories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...spec.scopes import DELETE, PULL, PUSH
from .who import Who

LIST = "list"

INCLUDES: Mapping[str, tuple[str, ...]] = {
    LIST: (LIST,),
    PULL: (PULL, LIST),
    PUSH: (PUSH, PULL, LIST),
    DELETE: (DELETE, LIST),
}
"""What an action brings with it. A push asks what is there already: without pull it cannot be."""


@dataclass(frozen=True)
class Rule:
    """``on``: globs of repositories. ``line``: where it stands in its document, 0 if nowhere."""

    who: tuple[Who, ...]
    may: tuple[str, ...]
    on: tuple[str, ...]
    line: int = 0

    @property
    def allowed(self) -> frozenset[str]:
        """``may``, and what that includes."""
        return frozenset(each for action in self.may for each in INCLUDES[action])
