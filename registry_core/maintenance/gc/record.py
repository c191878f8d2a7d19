"""The record of a run: its time, how far it is, what it has found. It lets another slice continue.

What is referenced so far is an object of its own, which the record names by its ETag. Both are
written on the condition that nobody else has: of two slices that continue one run at the same time,
one stops.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from ...object_store.errors import ConditionFailed, NotFound, TooLarge
from ...object_store.interface import (
    IF_ABSENT,
    ObjectStore,
    Properties,
    delete_if,
    if_match,
    list_all,
)
from ...storage.layout import Layout
from ..digest_table import BEGINNING, DigestTable
from .options import GcOptions
from .report import NOT_OURS, GcReport

RESUMABLE = timedelta(days=7)
"""How long a run may take. An older one is not continued: too much has changed since."""

# How far the clocks of those that collect may differ.
_AHEAD = timedelta(hours=1)

_VERSION = 1
_MAX_RECORD_BYTES = 256 * 2**20
# The time, its microseconds, and 8 digits that tell runs of two machines apart.
_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8,}")


class State(StrEnum):
    """How a run has ended, if it has."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


class Phase(StrEnum):
    """The phases of a run, in their order; the first two once for each pass."""

    REPOSITORIES = "repositories"
    CONTENT = "content"
    LEFTOVERS = "leftovers"


class TakenOver(Exception):
    """Another collector continues the run."""


@dataclass
class Cursor:
    """How far a run is: behind the path ``after``, in a phase of a pass.

    ``passes`` are the digits that the digests of each pass begin with: one pass for all if empty.
    """

    phase: Phase = Phase.REPOSITORIES
    passes: str = ""
    number: int = 0
    after: str = ""

    @property
    def digit(self) -> str:
        """What the digests of this pass begin with."""
        return self.passes[self.number : self.number + 1]

    @property
    def is_first(self) -> bool:
        """Whether this is the pass that judges all but content."""
        return self.number == 0


@dataclass
class RunRecord:
    """A run, as `_gc/runs/<id>` has it. ``started`` is its time by the clock of storage."""

    store: ObjectStore
    layout: Layout
    ident: str
    started: datetime
    etag: str
    report: GcReport
    cursor: Cursor = field(default_factory=Cursor)
    marks_etag: str = ""

    @classmethod
    async def begin(cls, store: ObjectStore, layout: Layout, options: GcOptions) -> RunRecord:
        """Begin a run. Two calls: the time of the record's first version is that of the run."""
        now = datetime.now(UTC)
        ident = f"{now:%Y%m%dT%H%M%SZ}-{now.microsecond:05x}{secrets.token_hex(4)}"
        path = layout.gc_run(ident)
        await store.put(path, b"{}", metadata={"state": State.RUNNING})
        found = await store.head(path)
        report = GcReport(ident, found.last_modified, options.dry_run)
        return cls(store, layout, ident, found.last_modified, found.etag, report)

    async def save(
        self,
        options: GcOptions,
        named: DigestTable | None,
        state: State = State.RUNNING,
    ) -> None:
        """Save the run. One call; two with ``named``, the digests that are referenced.

        :raises TakenOver: another collector has saved it since.
        """
        try:
            if named is not None:
                await self._save_marks(named)
            content = await asyncio.to_thread(self._to_json, options, state)
            self.etag = await self.store.put(
                self.layout.gc_run(self.ident),
                content,
                metadata={"state": state},
                condition=if_match(self.etag),
            )
        except (ConditionFailed, NotFound) as error:
            raise TakenOver from error
        if state is not State.RUNNING and self.marks_etag:
            mark = self.layout.gc_mark(self.ident)
            await delete_if(self.store, mark, if_match(self.marks_etag))

    async def _save_marks(self, named: DigestTable) -> None:
        content = await asyncio.to_thread(named.marked_beginnings)
        metadata = {"checksum": await asyncio.to_thread(_checksum, content)}
        self.marks_etag = await self.store.put(
            self.layout.gc_mark(self.ident),
            content,
            metadata=metadata,
            condition=if_match(self.marks_etag) if self.marks_etag else IF_ABSENT,
        )

    async def load_marks(self, named: DigestTable) -> bool:
        """Mark what was referenced when the run was saved. Return whether that is known. One call.

        What the table has since is not judged: it is younger than the run.
        """
        if not self.marks_etag:
            return self.cursor == Cursor(passes=self.cursor.passes)
        limit = max(2**20, 2 * BEGINNING * (len(named) + 1) * 16)
        try:
            path, unchanged = self.layout.gc_mark(self.ident), if_match(self.marks_etag)
            found = await self.store.get(path, limit=limit, condition=unchanged)
        except (NotFound, ConditionFailed, TooLarge):
            return False
        checksum = await asyncio.to_thread(_checksum, found.content)
        if found.properties.metadata.get("checksum") != checksum:
            return False
        await asyncio.to_thread(named.mark_beginnings, found.content)
        return True

    def _to_json(self, options: GcOptions, state: State) -> bytes:
        document = {
            "version": _VERSION,
            "state": state,
            "options": options.fingerprint,
            "started": self.started.isoformat(),
            "cursor": asdict(self.cursor),
            "marks": self.marks_etag,
            "report": self.report.to_json(),
        }
        return json.dumps(document, separators=(",", ":")).encode()


@dataclass(frozen=True)
class LatestRun:
    """The latest run of a container: when it began, by the clock of whoever began it."""

    ident: str
    began: datetime
    state: State
    etag: str

    @property
    def is_resumable(self) -> bool:
        """Whether another slice may continue it."""
        return self.state is State.RUNNING and datetime.now(UTC) - self.began < RESUMABLE


async def latest_run(store: ObjectStore, layout: Layout) -> LatestRun | None:
    """Return the latest run of a container, None if there was none. One call.

    One that a machine with a wrong clock began in the future does not count: it would be the latest
    for years.
    """
    latest, future = None, datetime.now(UTC) + _AHEAD
    async for entry in list_all(store, layout.gc_runs, metadata=True):
        ident = entry.path.removeprefix(layout.gc_runs)
        if _ID.fullmatch(ident) and entry.properties is not None:
            began = datetime.strptime(ident[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            if began < future:
                latest = LatestRun(ident, began, _state(entry.properties), entry.properties.etag)
    return latest


def _state(properties: Properties) -> State:
    try:
        return State(properties.metadata.get("state", ""))
    except ValueError:
        return State.FAILED


async def resume(store: ObjectStore, layout: Layout, options: GcOptions) -> RunRecord | None:
    """Return the latest run if it is unfinished and can be continued. One call, or two.

    None if it has ended, is too old, was begun with other options or by another version.
    """
    latest = await latest_run(store, layout)
    if latest is None or not latest.is_resumable:
        return None
    try:
        path, unchanged = layout.gc_run(latest.ident), if_match(latest.etag)
        found = await store.get(path, limit=_MAX_RECORD_BYTES, condition=unchanged)
        document = await asyncio.to_thread(json.loads, found.content)
        return _parse(store, layout, options, document, latest)
    except (NotFound, ConditionFailed, TooLarge, *NOT_OURS):
        return None


def _parse(
    store: ObjectStore,
    layout: Layout,
    options: GcOptions,
    document: Mapping[str, Any],
    latest: LatestRun,
) -> RunRecord | None:
    """Return the run that a record describes. :raises Exception: one of `NOT_OURS`: none."""
    if document["version"] != _VERSION or document["options"] != options.fingerprint:
        return None
    cursor = document["cursor"]
    return RunRecord(
        store,
        layout,
        latest.ident,
        datetime.fromisoformat(document["started"]),
        latest.etag,
        GcReport.of_json(document["report"]),
        Cursor(**{**cursor, "phase": Phase(cursor["phase"])}),
        document["marks"],
    )


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
