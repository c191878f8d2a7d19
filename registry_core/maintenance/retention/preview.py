"""A preview: what a policy decides about each repository, noted while it is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields

from ...spec.digest import Digest
from .policy import Expiry, RetentionPolicy, TagState, UntaggedState


@dataclass
class Decisions:
    """What a policy decides about tags, or about untagged manifests, of a repository.

    ``number`` is that of those it was asked about. ``kept`` are those that a keep rule keeps, with
    that rule.
    """

    number: int = 0
    expired: Sequence[Expiry] = ()
    kept: Sequence[Expiry] = ()


@dataclass
class RepositoryPreview:
    """What a policy decides about a repository."""

    tags: Decisions = field(default_factory=Decisions)
    untagged: Decisions = field(default_factory=Decisions)

    @property
    def expires(self) -> int:
        """The number of tags and manifests that go."""
        return len(self.tags.expired) + len(self.untagged.expired)


@dataclass(frozen=True)
class NotingPolicy(RetentionPolicy):
    """A policy that notes its decisions in ``noted``, by repository.

    So a preview shows what the collection of garbage itself would do.
    """

    noted: dict[str, RepositoryPreview] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, policy: RetentionPolicy) -> NotingPolicy:
        """Return a policy that decides as another one."""
        return cls(**{each.name: getattr(policy, each.name) for each in fields(policy)})

    def expired_tags(
        self, repository: str, tags: Sequence[TagState], now: float
    ) -> dict[str, Expiry]:
        """See `RetentionPolicy`."""
        expired = super().expired_tags(repository, tags, now)
        kept = self.kept_tags(repository, tags, now)
        self._of(repository).tags = _decisions(len(tags), expired, kept)
        return expired

    def expired_untagged(
        self, repository: str, manifests: Sequence[UntaggedState], now: float
    ) -> dict[Digest, Expiry]:
        """See `RetentionPolicy`."""
        expired = super().expired_untagged(repository, manifests, now)
        kept = self.kept_untagged(repository, manifests, now)
        self._of(repository).untagged = _decisions(len(manifests), expired, kept)
        return expired

    def _of(self, repository: str) -> RepositoryPreview:
        return self.noted.setdefault(repository, RepositoryPreview())


def _decisions(
    number: int,
    expired: Mapping[str, Expiry] | Mapping[Digest, Expiry],
    kept: Mapping[str, str] | Mapping[Digest, str],
) -> Decisions:
    keeping = (Expiry(str(subject), rule) for subject, rule in kept.items())
    return Decisions(number, _sorted(expired.values()), _sorted(keeping))


def _sorted(found: Iterable[Expiry]) -> Sequence[Expiry]:
    return sorted(found, key=lambda each: each.subject)
