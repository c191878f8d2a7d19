"""The rules of a retention document, as values."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from ...globs import RepositoryGlobs, TagNameGlobs

EVERY_TAG = TagNameGlobs(("*",))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tag or an untagged manifest that rules apply to. Times are Unix seconds.

    ``name`` is the tag, or the digest as text. ``pulled`` is None if no pull is known.
    """

    name: str
    pushed: float
    pulled: float | None = None

    @property
    def used(self) -> float:
        """When it was last pulled; if it has not been pulled since its push, that of the push."""
        return self.pushed if self.pulled is None else max(self.pushed, self.pulled)


@dataclass(frozen=True)
class Scope:
    """What a rule applies to: tags, or if ``tags`` is None untagged manifests, of repositories."""

    on: RepositoryGlobs
    tags: TagNameGlobs | None = EVERY_TAG

    def select(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """Return those that the rule applies to, of a repository that it applies to."""
        tags = self.tags
        if tags is None or tags == EVERY_TAG:
            return candidates
        return [each for each in candidates if tags.match(each.name)]


class Criterion(StrEnum):
    """What a rule keeps: the values are the keys of the document."""

    NEWEST = "newest"
    PUSHED = "pushed"
    PULLED = "pulled"
    ALWAYS = "always"


@dataclass(frozen=True)
class KeepRule:
    """A ``[[keep]]``. ``amount`` is the number that ``newest`` names, or seconds.

    ``text`` is the rule for people, with its line.
    """

    scope: Scope
    criterion: Criterion
    amount: float = 0.0
    text: str = field(default="", compare=False)
    line: int = field(default=0, compare=False)

    def keep(self, candidates: Sequence[Candidate], now: float) -> Iterable[str]:
        """Return the names of those that the rule keeps, of a repository that it applies to.

        The newest are those that were pushed last; at the same time, those whose names sort last.
        """
        selected, oldest = self.scope.select(candidates), now - self.amount
        match self.criterion:
            case Criterion.NEWEST:
                selected = heapq.nlargest(int(self.amount), selected, key=_by_push)
            case Criterion.PUSHED:
                selected = [each for each in selected if each.pushed >= oldest]
            case Criterion.PULLED:
                selected = [each for each in selected if each.used >= oldest]
            case Criterion.ALWAYS:
                pass
        return (each.name for each in selected)


def _by_push(candidate: Candidate) -> tuple[float, str]:
    return candidate.pushed, candidate.name


@dataclass(frozen=True)
class ExpireRule:
    """An ``[[expire]]``: what it applies to goes ``after`` that time, if nothing keeps it.

    A tag's time begins when it was last set, an untagged manifest's when it was last pushed or, if
    that is later, pulled.
    """

    scope: Scope
    after: timedelta
    text: str = field(default="", compare=False)
    line: int = field(default=0, compare=False)

    def expire(self, candidates: Sequence[Candidate], now: float) -> Iterator[str]:
        """Yield the names of those that the rule lets go, of a repository that it applies to."""
        latest = now - self.after.total_seconds()
        since: Callable[[Candidate], float] = _used if self.scope.tags is None else _pushed
        return (each.name for each in self.scope.select(candidates) if since(each) <= latest)


def _used(candidate: Candidate) -> float:
    return candidate.used


def _pushed(candidate: Candidate) -> float:
    return candidate.pushed
