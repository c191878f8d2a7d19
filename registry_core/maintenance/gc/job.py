"""The collection as a job that is due now and then: one run a day, in slices if need be."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from ...object_store.interface import ObjectStore
from ...storage.layout import Layout
from ..walk import Progress
from .collect import collect
from .options import GcOptions
from .record import State, latest_run
from .report import GcReport, Part

_log = logging.getLogger(__name__)

INTERVAL = timedelta(days=1)
"""From the beginning of one run to that of the next."""

# A job that is due at the same minute each day must find that a day has passed.
_TOLERANCE = timedelta(minutes=30)


async def collect_if_due(
    store: ObjectStore, layout: Layout, options: GcOptions, *, limit: timedelta | None = None
) -> GcReport | None:
    """Continue an unfinished run, or begin one if the last began a day ago. Return its report.

    None if nothing is due: one call then.

    :param limit: how long this may take, as a rule; the next call continues.
    """
    latest = await latest_run(store, layout)
    if latest is not None and not latest.is_resumable:
        is_recent = datetime.now(UTC) - latest.began < INTERVAL - _TOLERANCE
        if is_recent and latest.state is State.FINISHED:
            return None
    deadline = None
    if limit is not None:
        deadline = asyncio.get_running_loop().time() + limit.total_seconds()
    report = await collect(store, layout, options, on_progress=_ignore, deadline=deadline)
    _log.info("%s", describe(report))
    return report


def describe(report: GcReport) -> str:
    """Return a report in one line."""
    counts = report.parts.values()
    condemned = sum(count.condemned for count in counts)
    deleted = sum(count.deleted for count in counts)
    content = report.parts[Part.CONTENT].deleted_bytes
    state = "finished" if report.finished else report.stopped or "to be continued"
    notes = [report.unswept, report.content_kept]
    if report.opaque:
        notes.append(f"{len(report.opaque)} repositories are not judged: run doctor")
    text = (
        f"garbage collection {report.run}, {state}: condemned {condemned} objects, "
        f"deleted {deleted}, freed {content} bytes of content"
    )
    return "; ".join([text, *filter(None, notes)])


def _ignore(progress: Progress) -> None:
    """Show no progress: nobody watches."""
