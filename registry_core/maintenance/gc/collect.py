"""A collection from outside: one call is one run, or one slice of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ...aio import for_each
from ...object_store.errors import ConditionFailed, NotFound, StoreError, StoreRefused
from ...object_store.interface import ObjectStore
from ...storage.condemnation import is_condemned, pardon
from ...storage.layout import Layout
from ...storage.pulls import merge_pulls
from ...storage.stored_registry import StoredRegistry
from ..walk import ListedObject, OnProgress, Progress
from .acts import AT_ONCE, Acts
from .listing import list_objects
from .options import Deadline, GcOptions
from .record import Cursor, RunRecord, State, TakenOver, resume
from .report import GcReport
from .run import Paused, Run, StateLost
from .signs import why_not_to_sweep
from .summary import Summary
from .wanted import Pulls

_MARGIN = timedelta(minutes=5)
"""How far the local clock may be ahead of that of storage. Only a dry run ever reads it."""


async def collect(
    store: ObjectStore,
    layout: Layout,
    options: GcOptions,
    *,
    on_progress: OnProgress,
    deadline: Deadline = None,
) -> GcReport:
    """Collect garbage: continue the run that is unfinished, or do another one.

    Clients may push meanwhile, and other collections may run. Per run: two calls for 5,000 objects
    (three unless ``options.shared`` decides), one for each manifest that no run has read before,
    two for each repository, one to condemn an object and a 256th to delete it, and some twenty.

    :param deadline: when to stop: the report is not finished then, and the next call continues. At
        least one repository, or 5,000 blobs, are dealt with in any case.
    :raises StoreUnavailable: storage cannot be used. Nothing more is deleted; the next call begins
        another run.
    :raises ContinuationInvalid: likewise: a listing cannot be continued.
    """
    collection = _Collection(store, layout, options, on_progress, deadline)
    if options.dry_run:
        return await collection.preview()
    record = await resume(store, layout, options)
    if record is not None:
        with suppress(StateLost):
            return await collection.run(record)
    return await collection.run(await RunRecord.begin(store, layout, options))


@dataclass
class _Collection:
    """One call of `collect`."""

    store: ObjectStore
    layout: Layout
    options: GcOptions
    on_progress: OnProgress
    deadline: Deadline

    async def preview(self) -> GcReport:
        """Return what a run would do now. Writes nothing."""
        report = GcReport(started=await self._time(), dry_run=True)
        await self._go_on(report, Cursor(), None)
        report.finished = True
        return report

    async def _time(self) -> datetime:
        """Return the time, by the clock of storage if that says so. Two calls."""
        page = await self.store.list_page(self.layout.base, limit=1)
        for entry in page.entries:
            with suppress(NotFound):
                answered = (await self.store.head(entry.path)).answered
                if answered is not None:
                    return answered
        return datetime.now(UTC) - _MARGIN

    async def run(self, record: RunRecord) -> GcReport:
        """Do what remains of a run. :raises StateLost: what it had found cannot be read."""
        report = record.report
        try:
            await self._go_on(report, record.cursor, record)
            await Summary(record.ident, record.started, report.usage).write(self.store, self.layout)
            report.finished = True
            await record.save(self.options, None, State.FINISHED)
        except Paused:
            return report
        except TakenOver:
            report.finished, report.stopped = False, "another collection continues this run"
        except StoreError as error:
            report.stopped = str(error)
            with suppress(StoreError, TakenOver):
                await record.save(self.options, None, State.FAILED)
            raise
        return report

    async def _go_on(self, report: GcReport, cursor: Cursor, record: RunRecord | None) -> None:
        assert report.started is not None
        acts = Acts(self.store, self.options, report, report.run, report.started)
        report.unswept = report.unswept or await why_not_to_sweep(acts, self.layout)
        acts.may_sweep = not report.unswept
        registry = StoredRegistry(
            self.store,
            root=self.layout.root,
            immutable_tags=self.options.immutable,
            delete_retention=self.options.trash_age,
        )
        run = Run(
            acts,
            self.layout,
            registry.deletions,
            self.on_progress,
            cursor,
            record,
            self.deadline,
            await self._pulls(report.started),
        )
        await run.go_on()

    async def _pulls(self, started: datetime) -> Pulls | None:
        """Return when everything was last pulled, if a rule depends on that."""
        policy = self.options.policy.with_untagged(self.options.untagged)
        if not (self.options.pulls_recorded and policy.uses_pulls()):
            return None
        write = not self.options.dry_run
        return await merge_pulls(self.store, self.layout, now=started.timestamp(), write=write)


async def pardon_all(store: ObjectStore, layout: Layout, *, on_progress: OnProgress) -> int:
    """Take every mark off, before an older version or another registry writes. Return how many.

    One call for 5,000 objects, and one for each that is condemned. What storage does not permit to
    be changed stays condemned; nothing deletes it either.
    """
    listed = pardoned = 0

    async def take_off(item: ListedObject) -> bool:
        try:
            await pardon(store, item.path, item.properties)
        except (NotFound, ConditionFailed, StoreRefused):
            return False
        return True

    async for rows in list_objects(store, layout.base):
        condemned = [item for item in rows if is_condemned(item.properties)]
        pardoned += sum(await for_each(condemned, take_off, limit=AT_ONCE))
        listed += len(rows)
        on_progress(Progress("listing", listed, None, "objects"))
        await asyncio.sleep(0)
    return pardoned
