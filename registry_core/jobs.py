"""Maintenance jobs: the registry's own work, done on a schedule.

The local server runs them in its process (`run_jobs`). On Azure Functions each one is a timer of
function_app.py. Only jobs that the settings switch on exist: a timer starts an instance each time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from .config import GC_ENABLED, READ_ONLY, Settings
from .object_store.errors import StoreError
from .object_store.interface import ObjectStore
from .spec.errors import RegistryError
from .storage.layout import Layout

if TYPE_CHECKING:
    from .maintenance.gc import GcOptions

_log = logging.getLogger(__name__)

# In seconds. The event loop's clock stands still while a laptop sleeps, so look at the real one.
_LONGEST_SLEEP = 30.0


@dataclass(frozen=True)
class JobContext:
    """What a job works on: the object store, and where the registry's objects are in it."""

    store: ObjectStore
    layout: Layout


@dataclass(frozen=True)
class Job:
    """A coroutine function that is due whenever its interval divides the time of day, in UTC.

    ``name`` is also the name of its Azure function: letters, digits, ``-`` and ``_``. Runs are
    exclusive within one deployment on Azure Functions or one local server, not beyond.
    """

    name: str
    interval: timedelta
    run: Callable[[JobContext], Awaitable[None]]

    def next_run(self, now: float) -> float:
        """Return the first time after ``now`` at which the job is due. Both are Unix times."""
        interval = self.interval.total_seconds()
        return (now // interval + 1) * interval

    def ncrontab(self) -> str:
        """Return the same schedule as Azure Functions' timers take it (six fields, UTC).

        :raises ValueError: the interval does not divide a minute, an hour or a day evenly, or is
            not a whole number of seconds, minutes or hours respectively.
        """
        seconds = self.interval.total_seconds()
        units = ((1, 60, "{} * * * * *"), (60, 60, "0 {} * * * *"), (3600, 24, "0 0 {} * * *"))
        for unit, count, expression in units:
            every = seconds / unit
            if every in range(1, count) and count % every == 0:
                return expression.format(f"*/{every:.0f}")
        if seconds == 24 * 3600:
            return "0 0 0 * * *"
        raise ValueError(f"a timer cannot run every {self.interval}")


FUNCTIONS_LIMIT = timedelta(minutes=8)
"""How long a job may run as a timer of Azure Functions; the next time it goes on from there. The
shortest `functionTimeout` that a plan enforces is ten minutes: that of the old Consumption plan.
learn.microsoft.com/azure/azure-functions/functions-scale, "Function app time-out duration"
"""

COLLECT_GARBAGE = "collect-garbage"


def jobs_for(settings: Settings, *, limit: timedelta | None = None) -> tuple[Job, ...]:
    """Return the jobs of a registry with these settings.

    :param limit: how long one run of a job may take; None: as long as it takes.
    """
    if not settings.gc.enabled:
        return ()
    if settings.read_only:
        _log.warning(
            "%s has no effect while %s is true: no garbage is collected", GC_ENABLED, READ_ONLY
        )
        return ()

    async def collect_garbage(context: JobContext) -> None:
        # Imported late: no request needs it, and imports are the cold start.
        from .maintenance.gc.job import collect_if_due

        await collect_if_due(context.store, context.layout, gc_options(settings), limit=limit)

    return (Job(COLLECT_GARBAGE, timedelta(hours=1), collect_garbage),)


def gc_options(settings: Settings, *, dry_run: bool = False) -> GcOptions:
    """Return what the settings say about the collection of garbage."""
    from .maintenance.gc import GcOptions
    from .maintenance.retention import NO_POLICY

    gc = settings.gc
    return GcOptions(
        grace=gc.grace,
        young=gc.young,
        untagged=gc.untagged,
        shared=gc.shared,
        upload_age=gc.upload_age,
        trash_age=settings.delete_retention,
        policy=gc.retention or NO_POLICY,
        immutable=settings.immutable_tags,
        # A read-only registry records no pulls itself, but others with the same container may.
        pulls_recorded=settings.record_pulls or settings.read_only,
        dry_run=dry_run,
    )


async def run_jobs(jobs: Iterable[Job], context: Callable[[], Awaitable[JobContext]]) -> None:
    """Run each job whenever it is due, until cancelled.

    Runs of the same job never overlap: those that become due during a run are skipped. A run that
    fails is logged, and the next one happens.

    :param context: opens what the jobs work on; called before each run.
    """
    async with asyncio.TaskGroup() as tasks:
        for job in jobs:
            tasks.create_task(_repeat(job, context), name=f"job {job.name}")


async def _repeat(job: Job, context: Callable[[], Awaitable[JobContext]]) -> None:
    while True:
        due = job.next_run(time.time())
        while (remaining := due - time.time()) > 0:  # noqa: ASYNC110 - time is not an event
            await asyncio.sleep(min(remaining, _LONGEST_SLEEP))
        try:
            await job.run(await context())
        except (StoreError, RegistryError) as error:
            text = "the job %s failed; it runs again every %s: %s"
            _log.error(text, job.name, job.interval, error)
        except Exception:  # noqa: BLE001 - whatever it is, the next run may succeed
            _log.exception("the job %s failed; it runs again every %s", job.name, job.interval)
