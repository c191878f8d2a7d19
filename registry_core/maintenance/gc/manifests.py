"""Garbage of class 2: manifests that no tag leads to any more, and tags that have expired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ...aio import for_each, off_loop, run_to_completion
from ...registry import DeletedManifest
from ...spec.digest import Digest
from ...storage.layout import Layout
from ...storage.layout_parse import Kind
from ..walk import ListedObject
from .acts import AT_ONCE, Acts, Candidate
from .layer_links import stated
from .listing import list_objects
from .liveness import Graph, targets
from .report import Action, Item, Part
from .repository import ListedRepository
from .wanted import Garbage, Judgement, Pulls, RetentionJudge

# How many manifests of one repository are deleted at once: each begins a new generation.
_DELETIONS = 4

# What judging a tag or a manifest counts as for `off_loop`: it takes some 30 microseconds.
_JUDGED_BYTES = 256


class Removals(Protocol):
    """The deletions that a collection makes: see `storage.deletions.Deletions`."""

    async def expire_tag(self, repository: str, tag: str, etag: str, reason: str) -> bool: ...

    async def collect_manifest(
        self, repository: str, digest: Digest, etag: str, reason: str
    ) -> DeletedManifest | None: ...


@dataclass
class ManifestCollection:
    """Collects the manifests and tags of one repository, whose manifests have been read."""

    acts: Acts
    layout: Layout
    removals: Removals
    repository: ListedRepository
    pulls: Pulls | None = None
    _graph: Graph = field(init=False)
    _condemned: set[Digest] = field(default_factory=set)
    """Garbage whose link is condemned, or is gone."""

    def __post_init__(self) -> None:
        self._graph = Graph(self.repository.revisions, self.repository.tags)

    async def run(self) -> None:
        """Condemn what is garbage, then delete the tags that led to it, then sweep.

        No call where nothing is garbage and nothing is condemned. Otherwise the repository's
        manifests are listed again, so that no row is older than it has to be.
        """
        parts, revisions = self.acts.report.parts, self.repository.revisions
        parts[Part.MANIFESTS].examined += len(revisions)
        parts[Part.TAGS].examined += len(self.repository.tags)
        judge = RetentionJudge(
            self.repository, self._graph, self.acts.options, self.acts.started, self.pulls
        )
        # With many tags this takes seconds, and requests may be served beside it.
        size = (len(revisions) + len(self.repository.tags)) * _JUDGED_BYTES
        judgement = await off_loop(size, judge.judge)
        rows: dict[Digest, ListedObject] = {}
        if judgement.garbage or any(each.mark is not None for each in revisions.values()):
            rows = await self._list(judgement.garbage)
            await self._condemn(judgement.garbage, rows)
        await for_each(
            judgement.expired_tags, lambda tag: self._expire(judgement, tag), limit=_DELETIONS
        )
        await self._sweep(judgement.garbage, rows)

    async def _list(self, garbage: Mapping[Digest, Garbage]) -> dict[Digest, ListedObject]:
        """Return the rows of all garbage; pardon what is condemned and wanted."""
        rows: dict[Digest, ListedObject] = {}
        wanted: list[ListedObject] = []
        async for page in list_objects(
            self.acts.store, self.layout.revisions(self.repository.name)
        ):
            for item in page:
                digest = item.place.digest
                if item.place.kind is not Kind.REVISION_LINK or digest is None:
                    continue
                if digest in garbage:
                    rows[digest] = item
                elif digest in self.repository.revisions:
                    wanted.append(item)

        await self.acts.pardon_all(Part.MANIFESTS, wanted)
        return rows

    async def _condemn(
        self, garbage: Mapping[Digest, Garbage], rows: Mapping[Digest, ListedObject]
    ) -> None:
        self._condemned |= garbage.keys() - rows.keys()  # deleted since
        due: list[tuple[Digest, Candidate]] = []
        for digest, item in rows.items():
            candidate = self._candidate(item, garbage[digest])
            action = self.acts.verdict(item.properties)
            if item.properties.archived and action is not None:
                self.acts.report.refuse(Part.MANIFESTS, item.path)
            elif action is Action.CONDEMN:
                due.append((digest, candidate))
            elif action is not None:
                self._condemned.add(digest)
            if action is Action.WAIT:
                self.acts.note_waiting(Part.MANIFESTS, candidate)

        async def condemn(item: tuple[Digest, Candidate]) -> None:
            if await self.acts.condemn(Part.MANIFESTS, item[1]):
                self._condemned.add(item[0])

        await for_each(due, condemn, limit=AT_ONCE)

    def _candidate(self, item: ListedObject, why: Garbage) -> Candidate:
        return Candidate(item.path, item.properties, why.reason, why.mark, stated(item))

    async def _expire(self, judgement: Judgement, name: str) -> None:
        """Delete an expired tag, once all that only expired tags lead to is condemned.

        Otherwise later runs would take it for manifests that nobody ever tagged.
        """
        tag = self.repository.tags[name]
        led_to = self._graph.closure(targets(tag)) & judgement.garbage.keys()
        if led_to <= self._condemned:
            await self._delete_tag(name, judgement.expired_tags[name].rule)

    async def _delete_tag(self, name: str, reason: str) -> None:
        acts, repository = self.acts, self.repository.name
        if not acts.options.dry_run:
            etag = self.repository.tags[name].etag
            deletion = self.removals.expire_tag(repository, name, etag, reason)
            if not await run_to_completion(deletion):
                return
        acts.report.parts[Part.TAGS].deleted += 1
        path = self.layout.tag_link(repository, name)
        acts.report.add(Item(Part.TAGS, Action.DELETE, path, reason))

    async def _sweep(
        self, garbage: Mapping[Digest, Garbage], rows: Mapping[Digest, ListedObject]
    ) -> None:
        """Delete what is due: an index before what it lists, a subject before its referrers."""
        due = {
            digest
            for digest, item in rows.items()
            if digest in self._condemned
            and self.acts.verdict(item.properties) is Action.DELETE
            and not item.properties.archived
        }
        after = {digest: self._graph.named_before(digest) & rows.keys() for digest in rows}
        # What names something that is not condemned yet waits for it: see `_expire`.
        due = {digest for digest in due if after[digest] <= self._condemned}
        due -= _reached(after, rows.keys() - due)
        while due:
            named = {each for digest in due for each in after[digest] if each != digest}
            wave = (due - named) or set(due)  # a tag may attach an index to what it lists
            due -= wave
            results = await for_each(
                sorted(wave),
                lambda digest: self._delete(rows[digest], digest, garbage[digest]),
                limit=_DELETIONS,
            )
            stayed = {
                digest for digest, gone in zip(sorted(wave), results, strict=True) if not gone
            }
            due -= _reached(after, stayed)

    async def _delete(self, item: ListedObject, digest: Digest, why: Garbage) -> bool:
        for tag in self._graph.attached_tags(digest):
            await self._delete_tag(tag, why.reason)
        if not self.acts.options.dry_run:
            name, etag = self.repository.name, item.properties.etag
            deletion = self.removals.collect_manifest(name, digest, etag, why.reason)
            if await run_to_completion(deletion) is None:
                return False
        self.acts.note_deleted(Part.MANIFESTS, self._candidate(item, why))
        return True


def _reached(after: Mapping[Digest, set[Digest]], start: set[Digest]) -> set[Digest]:
    """Return what has to wait for others: all that ``start`` leads to, without itself."""
    found: set[Digest] = set()
    remaining = [each for digest in start for each in after[digest]]
    while remaining:
        digest = remaining.pop()
        if digest not in found:
            found.add(digest)
            remaining += after[digest]
    return found
