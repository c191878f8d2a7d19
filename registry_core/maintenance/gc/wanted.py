"""What retention says of one repository: which tags expire, and which manifests are garbage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from ...spec.digest import Digest
from ...spec.expiry import common_expiry
from ..retention.policy import Expiry, TagState, UntaggedState
from .liveness import Graph, attached_to, targets
from .options import GcOptions
from .repository import ListedRepository, Tag

EXPIRED = "expired"
"""The mark of manifests that expired tags led to: later runs do not see these tags any more."""

_ONLY_EXPIRED = "only tags that have expired lead to it"


class Pulls(Protocol):
    """When things were last pulled, in Unix seconds: see `storage.pulls.PullSummary`."""

    def tag(self, repository: str, tag: str) -> float | None: ...

    def manifest(self, repository: str, digest: Digest) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Garbage:
    """Why a manifest is garbage; ``mark`` is what its link is to carry."""

    reason: str
    mark: str = ""


@dataclass(frozen=True)
class Judgement:
    """What goes: tags, by the rule that lets each go, and manifests. All others are wanted."""

    expired_tags: Mapping[str, Expiry] = field(default_factory=dict)
    garbage: Mapping[Digest, Garbage] = field(default_factory=dict)


@dataclass
class RetentionJudge:
    """Judges one repository, whose links and manifests have been read. Makes no calls."""

    repository: ListedRepository
    graph: Graph
    options: GcOptions
    started: datetime
    pulls: Pulls | None = None

    def judge(self) -> Judgement:
        """Return what goes.

        A manifest that nothing leads to goes if the policy lets it go; with it all that it leads
        to, and nothing else does. Where an expired tag was the last that led to a manifest, the
        manifest goes with it.
        """
        tags, revisions = self.repository.tags, self.repository.revisions
        expired_tags = self._expired_tags()
        live = self.graph.closure(
            target
            for name, tag in tags.items()
            if name not in expired_tags and (self._is_fixed(name, tag) or not self._follows(name))
            for target in targets(tag)
        )
        marked = (digest for digest, each in revisions.items() if each.mark == EXPIRED)
        roots = {target for name in expired_tags for target in targets(tags[name])}.union(marked)
        expired = self.graph.closure(roots) - live
        let_go, kept = self._judge_untagged(revisions.keys() - live - expired)
        wanted = live | self.graph.closure(kept)
        garbage = dict.fromkeys(expired - wanted, Garbage(_ONLY_EXPIRED, EXPIRED))
        for digest, expiry in let_go.items():
            for each in self.graph.closure([digest]) - wanted:
                garbage.setdefault(each, Garbage(f"no tag leads to it; {expiry.rule}"))
        return Judgement(expired_tags, garbage)

    def _follows(self, name: str) -> bool:
        """Return whether a tag lives and dies with the manifest that it names."""
        return self.graph.holds_subjects and name in self.graph.attached

    def _is_fixed(self, name: str, tag: Tag) -> bool:
        """Return whether a tag is kept whatever the policy says: write-once, or being moved."""
        return tag.digest is None or self.options.immutable.match(self.repository.name, name)

    def _expired_tags(self) -> Mapping[str, Expiry]:
        states = [
            self._tag_state(name, tag, tag.digest)
            for name, tag in self.repository.tags.items()
            if tag.digest is not None and not attached_to(name) and not self._is_fixed(name, tag)
        ]
        return self.options.policy.expired_tags(
            self.repository.name, states, self.started.timestamp()
        )

    def _tag_state(self, name: str, tag: Tag, digest: Digest) -> TagState:
        pulled = None
        if self.pulls is not None:
            # Clients pull what an index lists by its digest.
            by_digest = self._pulled(self.graph.closure([digest], dependants=False))
            pulled = _latest([by_digest, self.pulls.tag(self.repository.name, name)])
        return TagState(name, digest, tag.pushed, pulled, self._expiry(digest))

    def _expiry(self, digest: Digest) -> timedelta | None:
        """Return how long after they are set a manifest's tags expire, as it says itself, or None.

        An index that does not say so itself expires with its images.
        """
        revisions = self.repository.revisions
        revision = revisions.get(digest)
        if revision is None or revision.expires_after is not None or not revision.is_index:
            return revision.expires_after if revision else None
        images = (revisions[each] for each in revision.needs)
        return common_expiry(each.expires_after for each in images if not each.is_attestation)

    def _judge_untagged(self, digests: set[Digest]) -> tuple[Mapping[Digest, Expiry], set[Digest]]:
        """Return which of the manifests go, and which stay: those that nothing else leads to.

        An index is as young as the youngest of them that it lists: nobody else speaks for that.
        """
        revisions = self.repository.revisions
        needed = {each for digest in digests for each in revisions[digest].needs}
        independent = {digest for digest in digests - needed if not self.graph.has_subject(digest)}
        states: list[UntaggedState] = []
        for digest in sorted(independent):
            parts = self.graph.closure([digest], dependants=False) & digests
            pushed = max(revisions[each].pushed for each in parts)
            states.append(UntaggedState(digest, pushed, self._pulled(parts)))
        policy = self.options.policy.with_untagged(self.options.untagged)
        let_go = policy.expired_untagged(self.repository.name, states, self.started.timestamp())
        return let_go, independent - let_go.keys()

    def _pulled(self, parts: Iterable[Digest]) -> float | None:
        """Return when one of the manifests was last pulled; None if that is unknown."""
        if self.pulls is None:
            return None
        name = self.repository.name
        return _latest(self.pulls.manifest(name, each) for each in parts)


def _latest(times: Iterable[float | None]) -> float | None:
    return max((time for time in times if time is not None), default=None)
