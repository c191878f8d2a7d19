"""The acts of a collection: what condemns, pardons and deletes, and the rule when.

Each act is conditional on the object as it was listed. What has changed since is skipped: somebody
relies on it, or another collection was faster. So a run may be cut off anywhere, and any number of
runs may overlap.

Why a condemned object that no listed link names may be deleted: its mark was set at
its Last-Modified, at or before the time S of the run minus the grace, and whoever has relied on the
object since has taken the mark off, which changes the ETag. A link that was written by somebody who
had looked before the mark was set was there at S, so the listings have it, which begin after S.
This does not depend on when the object was listed, nor on when the deletion takes place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ...aio import for_each
from ...object_store.batches import MAX_BATCH, BatchRefused
from ...object_store.errors import ConditionFailed, NotFound, StoreRefused
from ...object_store.interface import ObjectStore, Properties, if_match
from ...storage.condemnation import condemn, is_condemned, pardon
from ..walk import ListedObject
from .options import GcOptions
from .report import Action, GcReport, Item, Part

AT_ONCE = 16

# Other programs may have added metadata that cannot be written again: `check_metadata`.
_REFUSED = (StoreRefused, ValueError)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An object that is garbage, as it was listed, and why.

    ``mark`` is the reason that the object itself is to carry, where later runs cannot see it.
    ``adding`` are metadata that it gets with the mark.
    """

    path: str
    properties: Properties
    reason: str
    mark: str = ""
    adding: Mapping[str, str] | None = None


@dataclass
class Acts:
    """What one run does. ``started`` is S, the time of the run by the clock of storage.

    ``may_sweep`` is False where another registry may rely on what is condemned.
    """

    store: ObjectStore
    options: GcOptions
    report: GcReport
    run: str
    started: datetime
    may_sweep: bool = True

    def verdict(self, found: Properties) -> Action | None:
        """Return what the rule says of garbage: condemn it, let it wait, delete it; None: nothing.

        What was written since the run began, or lately, may belong to a push in progress.
        """
        if not is_condemned(found):
            is_old = found.last_modified < self.started - self.options.young
            return Action.CONDEMN if is_old else None
        is_due = found.last_modified <= self.started - self.options.grace
        return Action.DELETE if is_due and self.may_sweep else Action.WAIT

    async def settle(self, part: Part, garbage: Iterable[Candidate]) -> None:
        """Condemn or delete garbage, as far as it is due. One call for each that is condemned.

        One for each 256 that are deleted.
        """
        due: list[Candidate] = []
        condemnable: list[Candidate] = []
        for candidate in garbage:
            action = self.verdict(candidate.properties)
            if action is None:
                continue
            if candidate.properties.archived:
                self.report.refuse(part, candidate.path)
            elif action is Action.CONDEMN:
                condemnable.append(candidate)
            elif action is Action.DELETE:
                due.append(candidate)
            else:
                self.note_waiting(part, candidate)
        await for_each(condemnable, lambda each: self.condemn(part, each), limit=AT_ONCE)
        await self.delete(part, due)

    async def condemn(self, part: Part, candidate: Candidate) -> bool:
        """Condemn an object, and return whether it is. One call."""
        found = candidate.properties
        if candidate.adding:
            found = replace(found, metadata={**found.metadata, **candidate.adding})
        if not self.options.dry_run:
            try:
                done = await condemn(self.store, candidate.path, found, self.run, candidate.mark)
            except _REFUSED:
                self.report.refuse(part, candidate.path)
                return False
            if not done:
                return False
        count = self.report.parts[part]
        count.condemned += 1
        count.condemned_bytes += found.size
        self._note(part, Action.CONDEMN, candidate, self.started)
        return True

    def note_waiting(self, part: Part, candidate: Candidate) -> None:
        """Count what is condemned and not deleted yet."""
        count = self.report.parts[part]
        count.waiting += 1
        count.waiting_bytes += candidate.properties.size
        self._note(part, Action.WAIT, candidate, candidate.properties.last_modified)

    async def delete(self, part: Part, due: Sequence[Candidate]) -> None:
        """Delete objects that are as they were listed. One call for each 256."""
        for start in range(0, len(due), MAX_BATCH):
            batch = due[start : start + MAX_BATCH]
            gone: Sequence[bool] = [True] * len(batch)
            if not self.options.dry_run:
                gone = await self._delete_batch(part, batch)
            for candidate, is_gone in zip(batch, gone, strict=True):
                if is_gone:
                    self.note_deleted(part, candidate)

    def note_deleted(self, part: Part, candidate: Candidate) -> None:
        """Count what is gone."""
        count = self.report.parts[part]
        count.deleted += 1
        count.deleted_bytes += candidate.properties.size
        self._note(part, Action.DELETE, candidate, None)

    async def pardon_all(self, part: Part, wanted: Iterable[ListedObject]) -> None:
        """Take the mark off what is referenced, where there is one. One call for each mark."""
        condemned = [item for item in wanted if is_condemned(item.properties)]

        async def take_off(item: ListedObject) -> None:
            await self._pardon(part, item.path, item.properties)

        await for_each(condemned, take_off, limit=AT_ONCE)

    async def _pardon(self, part: Part, path: str, found: Properties) -> None:
        if not self.options.dry_run:
            try:
                await pardon(self.store, path, found)
            except (NotFound, ConditionFailed):
                return
            except _REFUSED:
                self.report.refuse(part, path)
                return
        self.report.parts[part].pardoned += 1
        self._note(part, Action.PARDON, Candidate(path, found, "it is not garbage any more"), None)

    def is_older(self, found: Properties, age: timedelta) -> bool:
        """Return whether an object was left alone for so long."""
        return found.last_modified < self.started and found.last_modified <= self.started - age

    async def _delete_batch(self, part: Part, batch: Sequence[Candidate]) -> Sequence[bool]:
        items = [(each.path, if_match(each.properties.etag)) for each in batch]
        try:
            return await self.store.delete_batch(items)
        except BatchRefused as error:
            for index in error.refused:
                self.report.refuse(part, batch[index].path)
            return error.deleted

    def _note(
        self, part: Part, action: Action, candidate: Candidate, since: datetime | None
    ) -> None:
        due = (since + self.options.grace).isoformat() if since else ""
        size = candidate.properties.size
        self.report.add(Item(part, action, candidate.path, candidate.reason, size, due))
