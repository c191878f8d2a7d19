"""Garbage of class 4: objects that nothing relies on, deleted once they are old. No mark is needed.

An index link or an entry of a referrers list whose manifest is gone is history: whoever pushes the
manifest again writes it anew, so that a deletion on the condition of its old ETag fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ...aio import run_to_completion
from ...storage.catalog import Catalog
from ...storage.layout import Layout
from ...storage.layout_parse import Kind
from ..walk import ListedObject
from .acts import Acts, Candidate
from .listing import list_objects
from .liveness import targets
from .record import RESUMABLE
from .report import Part
from .repository import ListedRepository
from .uploads import abandoned, collect_uploads

KEPT_RUNS = 30
"""The records of so many collections are kept."""


async def collect_history(acts: Acts, repository: ListedRepository) -> None:
    """Delete old index links and entries of referrers lists whose manifest is gone."""

    def is_history(item: ListedObject) -> bool:
        tag = repository.tags.get(item.place.tag)
        return tag is None or item.place.digest not in targets(tag)

    options = acts.options
    history = _older(acts, repository.history, options.history_age)
    await acts.delete(
        Part.HISTORY,
        _candidates(filter(is_history, history), "the repository does not have this manifest"),
    )
    entries = _older(acts, repository.entries, options.grace)
    await acts.delete(
        Part.REFERRERS, _candidates(entries, "the repository does not have this referrer")
    )
    acts.report.parts[Part.HISTORY].examined += len(repository.history)
    acts.report.parts[Part.REFERRERS].examined += len(repository.entries)


async def collect_foreign_uploads(acts: Acts, repository: ListedRepository) -> None:
    """Delete uploads of CNCF distribution that nobody continues: several objects each."""
    age = acts.options.upload_age
    for upload in repository.uploads.values():
        acts.report.parts[Part.UPLOADS].examined += len(upload)
        if all(acts.is_older(item.properties, age) for item in upload):
            await acts.delete(Part.UPLOADS, _candidates(upload, abandoned(age)))


@dataclass
class Leftovers:
    """What lies outside the repositories. ``filled`` are those that have manifests."""

    acts: Acts
    layout: Layout
    filled: frozenset[str]

    async def run(self) -> None:
        """Delete what is old. One call for 5,000 objects in each folder, and one for 256 of them.

        A few more for each marker of an empty repository.
        """
        options = self.acts.options
        await collect_uploads(self.acts, self.layout)
        await self._delete_old(
            self.layout.trash, Kind.TRASHED, Part.TRASH, options.trash_age, "it has expired"
        )
        await self._delete_old(
            self.layout.quarantine,
            Kind.QUARANTINED,
            Part.QUARANTINE,
            options.history_age,
            "it was damaged, and nobody has needed it",
        )
        await self._update_catalog()
        await self._delete_references()
        await self._delete_runs()

    async def _delete_old(
        self, prefix: str, kind: Kind, part: Part, age: timedelta, reason: str
    ) -> None:
        async for rows in list_objects(self.acts.store, prefix):
            known = [item for item in rows if item.place.kind is kind]
            self.acts.report.parts[part].examined += len(known)
            if part is Part.TRASH:
                self.acts.report.usage.trash.number += len(known)
            old = _older(self.acts, known, age)
            await self.acts.delete(part, _candidates(old, reason))

    async def _update_catalog(self) -> None:
        catalog = Catalog(self.acts.store, self.layout)
        async for rows in list_objects(self.acts.store, self.layout.catalog):
            self.acts.report.parts[Part.CATALOG].examined += len(rows)
            for item in _older(self.acts, rows, self.acts.options.grace):
                if item.place.repository in self.filled:
                    continue
                if not self.acts.options.dry_run:
                    await run_to_completion(catalog.update(item.place.repository))
                [candidate] = _candidates([item], "the repository has no manifests")
                self.acts.note_deleted(Part.CATALOG, candidate)

    async def _delete_references(self) -> None:
        acts = self.acts
        async for rows in list_objects(acts.store, self.layout.gc_references):
            acts.report.parts[Part.COLLECTIONS].examined += len(rows)
            left = [
                item
                for item in _older(acts, rows, acts.options.grace)
                if self.layout.referencing_repository(item.path) not in self.filled
            ]
            await acts.delete(
                Part.COLLECTIONS, _candidates(left, "the repository has no manifests")
            )

    async def _list(self, prefix: str) -> list[ListedObject]:
        return [item async for rows in list_objects(self.acts.store, prefix) for item in rows]

    async def _delete_runs(self) -> None:
        """Delete the records of all but the last runs, and what ended runs had found."""
        acts = self.acts
        runs = await self._list(self.layout.gc_runs)
        own = (self.layout.gc_run(acts.run), self.layout.gc_mark(acts.run))
        old = [item for item in runs if item.path not in own][: -(KEPT_RUNS - 1)]
        marks = await self._list(self.layout.gc_marks)
        left = _older(acts, [item for item in marks if item.path not in own], RESUMABLE)
        acts.report.parts[Part.COLLECTIONS].examined += len(runs) + len(marks)
        await acts.delete(Part.COLLECTIONS, _candidates(old, f"{KEPT_RUNS} later ones are kept"))
        await acts.delete(Part.COLLECTIONS, _candidates(left, "its collection has ended"))


def _older(acts: Acts, items: Sequence[ListedObject], age: timedelta) -> list[ListedObject]:
    return [item for item in items if acts.is_older(item.properties, age)]


def _candidates(items: Iterable[ListedObject], reason: str) -> list[Candidate]:
    return [Candidate(item.path, item.properties, reason) for item in items]
