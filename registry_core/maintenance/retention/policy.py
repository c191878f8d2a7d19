"""The retention policy: rules, and what they say of the tags and manifests of a repository."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from ...globs import RepositoryGlobs
from ...spec.digest import Digest
from ...spec.durations import format_duration
from .rules import Candidate, Criterion, ExpireRule, KeepRule, Scope

_EVERYWHERE = RepositoryGlobs(("**",))


@dataclass(frozen=True, slots=True)
class TagState:
    """A tag, and what decides whether it goes. Times are Unix seconds.

    ``pushed`` is when the tag was last set, ``pulled`` when it was last pulled, if that is known.
    ``expires_after`` is the expiry that the image itself asks for.
    """

    name: str
    digest: Digest
    pushed: float
    pulled: float | None = None
    expires_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class UntaggedState:
    """A manifest that no tag leads to, and what decides whether it goes. As `TagState`."""

    digest: Digest
    pushed: float
    pulled: float | None = None


@dataclass(frozen=True, slots=True)
class Expiry:
    """What goes, a tag or a digest, and the rule that lets it go, as text with its line."""

    subject: str
    rule: str


@dataclass(frozen=True)
class RetentionPolicy:
    """Rules, which decide by what a repository has now. What no rule lets go is kept.

    Keep rules have precedence, over expire rules and over the expiry that images ask for.
    ``warnings`` are harmless oddities of the document: one line of text each, with file and line.
    """

    keeps: tuple[KeepRule, ...] = ()
    expires: tuple[ExpireRule, ...] = ()
    warnings: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def parse(cls, text: str, file: str = "rules") -> RetentionPolicy:
        """Parse a document in TOML. ``file`` is its name in messages.

        :raises DocumentInvalid: something is wrong with it; says all of it, with lines.
        """
        from .document import parse_document

        return cls(*parse_document(text, file))

    def with_untagged(self, after: timedelta | None) -> RetentionPolicy:
        """Return the policy that lets go of untagged manifests as well, in every repository.

        :param after: as `ExpireRule.after`, of REGISTRY_GC_UNTAGGED; None: this policy.
        """
        if after is None:
            return self
        text = f"REGISTRY_GC_UNTAGGED: after {format_duration(after)}"
        rule = ExpireRule(Scope(_EVERYWHERE, None), after, text)
        return replace(self, expires=(*self.expires, rule))

    def uses_pulls(self) -> bool:
        """Return whether a decision may depend on when something was last pulled."""
        return self.keeps_pulled() or any(rule.scope.tags is None for rule in self.expires)

    def keeps_pulled(self) -> bool:
        """Return whether a rule keeps what was pulled, which may go where no pull is known."""
        return any(rule.criterion is Criterion.PULLED for rule in self.keeps)

    def expired_tags(
        self, repository: str, tags: Sequence[TagState], now: float
    ) -> dict[str, Expiry]:
        """Return the tags of a repository that go now.

        :param tags: all of its tags, except those that rules do not decide: write-once tags, and
            those that live and die with the manifest that they name.
        :param now: Unix time.
        """
        if not (self.expires or any(tag.expires_after is not None for tag in tags)):
            return {}
        candidates = [Candidate(tag.name, tag.pushed, tag.pulled) for tag in tags]
        found = self._expired(repository, candidates, now, tagged=True)
        for tag in tags:
            after = tag.expires_after
            if after is not None and tag.pushed + after.total_seconds() <= now:
                found.setdefault(tag.name, f"the image expires after {format_duration(after)}")
        kept = self._kept(repository, candidates, now, tagged=True) if found else {}
        return {name: Expiry(name, rule) for name, rule in found.items() if name not in kept}

    def expired_untagged(
        self, repository: str, manifests: Sequence[UntaggedState], now: float
    ) -> dict[Digest, Expiry]:
        """Return the untagged manifests of a repository that go now.

        :param manifests: all manifests that no tag leads to, not as part of another one either.
        :param now: Unix time.
        """
        candidates = _untagged(manifests)
        found = self._expired(repository, candidates, now, tagged=False)
        kept = self._kept(repository, candidates, now, tagged=False) if found else {}
        return {
            manifest.digest: Expiry(candidate.name, found[candidate.name])
            for manifest, candidate in zip(manifests, candidates, strict=True)
            if candidate.name in found and candidate.name not in kept
        }

    def kept_tags(self, repository: str, tags: Sequence[TagState], now: float) -> dict[str, str]:
        """Return the tags that a keep rule keeps, with the first such rule as text.

        Arguments are those of `expired_tags`.
        """
        candidates = [Candidate(tag.name, tag.pushed, tag.pulled) for tag in tags]
        return self._kept(repository, candidates, now, tagged=True)

    def kept_untagged(
        self, repository: str, manifests: Sequence[UntaggedState], now: float
    ) -> dict[Digest, str]:
        """Return the untagged manifests that a keep rule keeps, with the first such rule as text.

        Arguments are those of `expired_untagged`.
        """
        candidates = _untagged(manifests)
        kept = self._kept(repository, candidates, now, tagged=False)
        return {
            manifest.digest: kept[candidate.name]
            for manifest, candidate in zip(manifests, candidates, strict=True)
            if candidate.name in kept
        }

    def _kept(
        self, repository: str, candidates: Sequence[Candidate], now: float, *, tagged: bool
    ) -> dict[str, str]:
        rules = (rule for rule in self.keeps if _applies(rule.scope, repository, tagged=tagged))
        return _first((rule.text, rule.keep(candidates, now)) for rule in rules)

    def _expired(
        self, repository: str, candidates: Sequence[Candidate], now: float, *, tagged: bool
    ) -> dict[str, str]:
        rules = (rule for rule in self.expires if _applies(rule.scope, repository, tagged=tagged))
        return _first((rule.text, rule.expire(candidates, now)) for rule in rules)


def _untagged(manifests: Iterable[UntaggedState]) -> list[Candidate]:
    return [Candidate(str(each.digest), each.pushed, each.pulled) for each in manifests]


def _applies(scope: Scope, repository: str, *, tagged: bool) -> bool:
    return (scope.tags is not None) == tagged and scope.on.match(repository)


def _first(decisions: Iterable[tuple[str, Iterable[str]]]) -> dict[str, str]:
    """Return the first rule, as text, for each name that one decides on."""
    found: dict[str, str] = {}
    for text, names in decisions:
        for name in names:
            found.setdefault(name, text)
    return found


NO_POLICY = RetentionPolicy()
"""The policy without rules: only images that ask for it expire."""
