"""Uploads that nobody continues, and direct uploads that nobody can claim any more.

Most of the latter are blocks without an object, which storage bills, and drops after a week.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ...aio import for_each, run_to_completion
from ...object_store.interface import Entry, Properties, list_all
from ...storage.direct_uploads import LIFETIME_SECONDS, began
from ...storage.layout import Layout
from ...storage.layout_parse import Kind, parse_path
from ...storage.staged_commit import drop_blocks
from .acts import AT_ONCE, Acts, Candidate
from .report import Part

UNCLAIMED = timedelta(seconds=LIFETIME_SECONDS) + timedelta(hours=1)
"""Clocks differ, and a request that began in time may still be under way."""

_UNCLAIMED = "no manifest has claimed it for a day"

_AT_ONCE = 1000  # rows


async def collect_uploads(acts: Acts, layout: Layout) -> None:
    """Delete what is old. One call for 5,000 uploads, and for each 256 that are deleted.

    Two for each direct upload that was never looked at.
    """
    rows: list[Entry] = []
    async for row in list_all(acts.store, layout.uploads, uncommitted=True):
        rows.append(row)
        if len(rows) >= _AT_ONCE:
            await _collect(acts, rows)
            rows = []
    await _collect(acts, rows)


async def _collect(acts: Acts, rows: Sequence[Entry]) -> None:
    places = [(row, parse_path(row.path)) for row in rows]
    known = [(row, began(place.upload)) for row, place in places if place.kind is Kind.UPLOAD]
    acts.report.parts[Part.UPLOADS].examined += len(known)
    found = [candidate for row, time in known if (candidate := _candidate(acts, row, time))]
    await acts.delete(Part.UPLOADS, [each for each in found if each.properties.etag])
    staged = [each for each in found if not each.properties.etag]
    await for_each(staged, lambda each: _drop(acts, each), limit=AT_ONCE)


def _candidate(acts: Acts, row: Entry, time: float | None) -> Candidate | None:
    """Return an upload that is to go. ``time``: when it began, if it is a direct one.

    Without an ETag: blocks that are staged. When other uploads have staged theirs is not known.
    """
    age = acts.options.upload_age
    if row.properties is not None and acts.is_older(row.properties, age):
        return Candidate(row.path, row.properties, abandoned(age))
    if time is None or acts.started - datetime.fromtimestamp(time, UTC) < UNCLAIMED:
        return None
    return Candidate(row.path, row.properties or Properties("", 0, acts.started), _UNCLAIMED)


def abandoned(age: timedelta) -> str:
    """Return the reason why an upload of this age goes."""
    return f"nobody has continued it for {age.days} days" if age.days else "nobody continues it"


async def _drop(acts: Acts, candidate: Candidate) -> None:
    if not acts.options.dry_run:
        await run_to_completion(drop_blocks(acts.store, candidate.path))
    acts.note_deleted(Part.UPLOADS, candidate)
