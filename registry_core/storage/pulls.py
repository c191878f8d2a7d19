"""When tags and manifests were last pulled: the records of instances, merged into a summary.

Each instance writes what was pulled from it on a day (`pull_recorder`); a collection of garbage
merges the days. Both are lines of JSON, gzipped: a header, then ``["repository", {"reference": Unix
time, ...}]`` with up to 1,000 references each, so that neither is ever in memory as one document.
A reference is a tag or a digest.

Whatever is not known may have been a pull: see `PullSummary.since`.
"""

from __future__ import annotations

import gzip
import json
import logging
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from itertools import islice

from ..aio import for_each, off_loop
from ..object_store.errors import ConditionFailed, NotFound, TooLarge, contended
from ..object_store.interface import (
    IF_ABSENT,
    Condition,
    ObjectStore,
    Properties,
    StoredObject,
    delete_if,
    if_match,
    list_all,
)
from ..spec.digest import Digest
from .layout import Layout

_log = logging.getLogger(__name__)

KEPT_DAYS = 400
"""For how many days pulls are known. No decision can depend on earlier ones."""

DAY = 86400
"""Seconds."""

_VERSION = 1
_GZIP = 16 + zlib.MAX_WBITS
_MOST_IN_A_LINE = 1000
_MAX_LINE_BYTES = 2**20
# Bytes, compressed: some 45 for each digest.
_MAX_RECORD_BYTES = 16 * 2**20
_MAX_SUMMARY_BYTES = 512 * 2**20
REFERENCE_BYTES = 64
# How many records are read at the same time.
_AT_ONCE = 8
_ATTEMPTS = 8


class PullsUnreadable(ValueError):
    """Content that is not a record of pulls, or one of another version."""


@dataclass(frozen=True)
class PullSummary:
    """When tags and manifests were last pulled, in Unix time, exact to a day.

    ``since``: earlier pulls are not known, because nothing recorded them, a record is damaged, or
    they are forgotten. So everything may have been pulled at that time, and counts as if it was.
    Judge by the later of push and pull: what was pushed since is younger.

    ``damaged`` are the paths of the records that cannot be read.
    """

    pulls: Mapping[str, Mapping[str, int]]
    since: float = 0.0
    damaged: tuple[str, ...] = ()

    def tag(self, repository: str, tag: str) -> float | None:
        """Return when a manifest was last pulled by this tag; None: never."""
        return self._last(repository, tag)

    def manifest(self, repository: str, digest: Digest) -> float | None:
        """Return when a manifest was last pulled, by a tag or its digest; None: never."""
        return self._last(repository, str(digest))

    def _last(self, repository: str, reference: str) -> float | None:
        recorded = self.pulls.get(repository, {}).get(reference, 0)
        return max(float(recorded), self.since) or None


async def merge_pulls(
    store: ObjectStore, layout: Layout, *, now: float, write: bool = True
) -> PullSummary:
    """Merge all records of pulls into the summary, and return that.

    Calls: one listing, one for each record of an instance and day; where days have passed since the
    last time, one to write the summary, and one for each record of these. Records of the current
    day stay, as their instances write them again. A million digests take 260 MB of memory.

    It may be cut off anywhere, and run any number of times at the same time: a record goes only
    when a summary that has it is there, and only as it was read.

    :param now: Unix time.
    :param write: False: change nothing, as for a preview.
    :raises StoreUnavailable: others write the summary again and again.
    """
    for _ in range(_ATTEMPTS):
        merge = _Merge(store, layout, now)
        await merge.read()
        if not write or await merge.write():
            return merge.summary
    raise contended(layout.pulls_summary)


@dataclass
class _Merge:
    """One merge: ``merged`` are the records of past days, with the ETags that they were read with.

    ``condition`` is that of writing the summary; None: it must stay as it is.
    """

    store: ObjectStore
    layout: Layout
    now: float
    merged: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, float] = field(default_factory=dict)
    since: float = 0.0
    condition: Condition | None = IF_ABSENT
    is_changed: bool = False
    _pulls: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def summary(self) -> PullSummary:
        since = max([self.since, self.now - KEPT_DAYS * DAY, *self.damaged.values()])
        return PullSummary(self._pulls, since, tuple(sorted(self.damaged)))

    async def read(self) -> None:
        """Read the summary and all records."""
        summary = self.layout.pulls_summary
        records = [
            entry.path
            async for entry in list_all(self.store, self.layout.pulls)
            if entry.path != summary and entry.path.endswith(".json")
        ]
        await self._read_summary(records)
        for start in range(0, len(records), _AT_ONCE):
            some = records[start : start + _AT_ONCE]
            contents = await for_each(some, self._get, limit=_AT_ONCE)
            for path, found in zip(some, contents, strict=True):
                if found is not None and await self._add(path, found) is not None:
                    self._note_merged(path, found.properties)
        await off_loop(self._size(), self._forget_old)

    async def _read_summary(self, records: list[str]) -> None:
        found = await self._get(self.layout.pulls_summary, _MAX_SUMMARY_BYTES)
        if found is None:
            if self.layout.pulls_summary in self.damaged:
                self.condition = None
                return
            days = filter(None, map(self._day_after, records))
            self.since = min([self.now, *days])
            self.is_changed = True
            return
        header = await self._add(self.layout.pulls_summary, found)
        if header is None:
            self.condition = None
            return
        since = header.get("since")
        self.since = float(since) if isinstance(since, int | float) else self.now
        self.condition = if_match(found.properties.etag)

    def _day_after(self, path: str) -> float | None:
        """Return when the day after that of a record begins: by then, its instance recorded."""
        text = path.removeprefix(self.layout.pulls).partition("/")[0]
        try:
            return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() + DAY
        except ValueError:
            return None

    async def _get(self, path: str, limit: int = _MAX_RECORD_BYTES) -> StoredObject | None:
        """Return an object; None if it is missing, or too large, which is noted."""
        try:
            return await self.store.get(path, limit=limit)
        except NotFound:
            return None
        except TooLarge as error:
            self._note_damaged(path, await self.store.head(path), error)
            return None

    async def _add(self, path: str, found: StoredObject) -> Mapping[str, object] | None:
        """Add what a record has, and return its header; None if it is damaged, which is noted.

        Some of a damaged one may have been added, which does no harm.
        """
        try:
            return await off_loop(len(found.content) * 2, self._add_lines, found.content)
        except PullsUnreadable as error:
            self._note_damaged(path, found.properties, error)
            return None

    def _add_lines(self, content: bytes) -> Mapping[str, object]:
        header, lines = decode_pulls(content)
        now = int(self.now)
        for repository, references in lines:
            known = self._pulls.setdefault(repository, {})
            for reference, pulled in references.items():
                at = min(pulled, now)  # the clock of an instance may be wrong
                if at > known.get(reference, 0):
                    known[reference] = at
        return header

    def _note_damaged(self, path: str, properties: Properties, error: Exception) -> None:
        _log.error(
            "%s cannot be read, so everything counts as pulled until %s; delete it if that is "
            "not wanted: %s",
            path,
            f"{properties.last_modified:%Y-%m-%d %H:%M}Z",
            error,
        )
        self.damaged[path] = properties.last_modified.timestamp()

    def _note_merged(self, path: str, properties: Properties) -> None:
        day_after = self._day_after(path)
        if day_after is not None and day_after <= self.now:
            self.merged[path] = properties.etag
            self.is_changed = True

    def _size(self) -> int:
        return sum(map(len, self._pulls.values())) * REFERENCE_BYTES

    def _forget_old(self) -> None:
        oldest = self.now - KEPT_DAYS * DAY
        for repository, references in list(self._pulls.items()):
            if any(time < oldest for time in references.values()):
                kept = {ref: time for ref, time in references.items() if time >= oldest}
                self._pulls[repository] = kept
                self.is_changed = True

    async def write(self) -> bool:
        """Write the summary where it has to be, and delete what it has from past days.

        Return False if another merge has written it since.
        """
        if self.condition is None or not self.is_changed:
            return True
        since = int(self.since)
        content = await off_loop(self._size(), encode_pulls, self._pulls, since=since)
        try:
            await self.store.put(self.layout.pulls_summary, content, condition=self.condition)
        except ConditionFailed:
            return False

        async def delete(record: tuple[str, str]) -> None:
            path, etag = record
            await delete_if(self.store, path, if_match(etag))

        await for_each(self.merged.items(), delete, limit=_AT_ONCE)
        return True


def encode_pulls(pulls: Mapping[str, Mapping[str, int]], **header: int) -> bytes:
    """Return pulls as they are stored: by repository and reference, in Unix time."""
    deflate = zlib.compressobj(wbits=_GZIP)
    pieces = [deflate.compress(_line({"version": _VERSION, **header}))]
    for repository in sorted(pulls):
        references = iter(pulls[repository].items())
        while some := dict(islice(references, _MOST_IN_A_LINE)):
            pieces.append(deflate.compress(_line([repository, some])))
    return b"".join([*pieces, deflate.flush()])


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def decode_pulls(
    content: bytes,
) -> tuple[Mapping[str, object], Iterator[tuple[str, Mapping[str, int]]]]:
    """Return the header and the pulls of what `encode_pulls` returned, by repository.

    A repository may come several times.

    :raises PullsUnreadable: it is something else; also from the iterator.
    """
    lines = _lines(content)
    header = next(lines, None)
    if not isinstance(header, dict) or header.get("version") != _VERSION:
        raise PullsUnreadable("not a record of pulls, or of another version")
    return header, map(_references, lines)


def _lines(content: bytes) -> Iterator[object]:
    unpacked = gzip.GzipFile(fileobj=BytesIO(content))
    try:
        while line := unpacked.readline(_MAX_LINE_BYTES):
            yield json.loads(line)
    except (EOFError, OSError, ValueError, RecursionError, zlib.error) as error:
        raise PullsUnreadable(f"damaged: {error}") from None


def _references(line: object) -> tuple[str, Mapping[str, int]]:
    match line:
        case [str() as repository, dict() as references]:
            if all(isinstance(time, int) for time in references.values()):
                return repository, references
    raise PullsUnreadable("a line is not a repository with the times of its references")
