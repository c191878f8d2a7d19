"""The recorder of pulls: notes in memory what was pulled from an instance, and writes it at times.

No request waits for a write. The first pull on a day of anything that its record does not have
starts a task. That writes the whole record some seconds later, or some time after the last write,
and ends when everything is written: an idle instance does nothing. That time grows with each write,
up to 5 minutes. So an instance that is killed loses 5 minutes at most, and a short-lived one, as
Azure Functions kills it when nobody needs it any more, no more than half of its life. Further pulls
of the same on a day are not written. `pulls` merges the records.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field
from itertools import count

from ..aio import off_loop
from ..object_store.errors import ConditionFailed, NotFound, StoreError, contended
from ..object_store.interface import IF_ABSENT, ObjectStore, if_match
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.endpoints import Reference
from ..spec.manifest import Manifest
from ..wrappers import Delegating
from .layout import Layout
from .pulls import DAY, REFERENCE_BYTES, encode_pulls

_log = logging.getLogger(__name__)

MOST_REFERENCES = 50_000
"""The most references of a day that an instance has in memory: some 10 MB."""

# Seconds from the first pull to the write, and from one write to the next: each time twice as many.
_SOON = 5.0
_INTERVAL = 300.0
# Seconds for which the end of the process waits for the last write.
_LAST = 10.0
_ATTEMPTS = 4


@dataclass
class RecordsPulls(Delegating):
    """A registry whose pulls of manifests, by GET and HEAD, are recorded.

    A manifest that is not there was not pulled. One that a client has already (304) was.
    """

    recorder: PullRecorder

    async def resolve_manifest(self, repository: str, reference: Reference) -> Descriptor:
        found = await self.inner.resolve_manifest(repository, reference)
        self.recorder.record(repository, reference, found.digest)
        return found

    async def get_manifest(self, repository: str, reference: Reference) -> Manifest:
        found = await self.inner.get_manifest(repository, reference)
        self.recorder.record(repository, reference, found.descriptor.digest)
        return found


@dataclass
class _Day:
    """What was pulled on a day, the latest last, by reference as `NamedReference` writes it.

    ``is_new``: some of it is not written yet. ``part`` is the number of its record among those of
    the instance, ``etag`` that of the record as it was written.
    """

    name: str
    part: int
    pulls: dict[str, int] = field(default_factory=dict)
    is_new: bool = False
    etag: str | None = None
    is_overfull: bool = False


class PullRecorder:
    """The pulls of this instance. It belongs to one event loop."""

    def __init__(
        self,
        store: ObjectStore,
        layout: Layout,
        *,
        now: Callable[[], float] = time.time,
        most: int = MOST_REFERENCES,
    ) -> None:
        """Make a recorder, which starts with nothing.

        :param now: Unix time. Waits are measured on the event loop's clock.
        :param most: how many references of a day are kept in memory. Half as many are written at
            once. If more are pulled before that is done, the oldest are dropped.
        """
        self._store = store
        self._layout = layout
        self._now = now
        self._most = most
        self._instance = secrets.token_hex(8)
        self._parts = count(1)
        self._days: dict[int, _Day] = {}
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._is_urgent = asyncio.Event()
        self._written_at = -math.inf
        self._interval = _SOON
        self._has_failed = False

    def record(self, repository: str, reference: Reference, digest: Digest) -> None:
        """Note that a manifest was pulled, by its digest or a tag. Makes no call."""
        now = int(self._now())
        day = self._days.get(now // DAY) or self._begin(now)
        if not isinstance(reference, Digest):
            self._note(day, f"{repository}:{reference}", now)
        self._note(day, f"{repository}@{digest}", now)
        if day.is_new and self._task is None and not self._closing.is_set():
            # In a context of its own: what it does is not the work of this request.
            self._task = asyncio.get_running_loop().create_task(
                self._run(), name="record of pulls", context=Context()
            )
            self._task.add_done_callback(_report)

    def _begin(self, now: int) -> _Day:
        """Begin a day. Of those before, one is kept at most, if it is not written yet."""
        self._days = {number: day for number, day in self._days.items() if day.is_new}
        for number in sorted(self._days)[:-1]:
            _log.error("the pulls of %s could not be recorded", self._days.pop(number).name)
        day = _Day(time.strftime("%Y-%m-%d", time.gmtime(now)), next(self._parts))
        return self._days.setdefault(now // DAY, day)

    def _note(self, day: _Day, pulled: str, now: int) -> None:
        pulls = day.pulls
        if pulls.pop(pulled, None) is None:
            day.is_new = True
            if len(pulls) >= self._most:
                del pulls[next(iter(pulls))]
                if not day.is_overfull:
                    _log.warning(
                        "more than %s manifests and tags were pulled in a short time: "
                        "some of these pulls of %s are not recorded",
                        self._most,
                        day.name,
                    )
                day.is_overfull = True
        pulls[pulled] = now
        if len(pulls) > self._most // 2:
            self._is_urgent.set()

    async def close(self) -> None:
        """Write what is not written yet, for some seconds at most. Nothing is recorded any more."""
        self._closing.set()
        self._is_urgent.set()
        if self._task is None:
            return
        await asyncio.wait([self._task], timeout=_LAST)
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            _log.warning("storage did not take the last record of pulls in time")

    async def _run(self) -> None:
        try:
            while any(day.is_new for day in self._days.values()):
                await self._wait()
                await self._write_all()
                if self._closing.is_set():
                    return
        finally:
            self._task = None

    async def _wait(self) -> None:
        """Wait until the next write is due, or memory is half full, or this instance is stopped."""
        elapsed = asyncio.get_running_loop().time() - self._written_at
        await _passes(_SOON, unless=self._closing)
        await _passes(self._interval - elapsed - _SOON, unless=self._is_urgent)
        self._interval = min(2 * self._interval, _INTERVAL)

    async def _write_all(self) -> None:
        """Write the days that have something new. Failures are logged, the first of them only."""
        self._written_at = asyncio.get_running_loop().time()
        self._is_urgent.clear()
        for day in list(self._days.values()):
            try:
                if day.is_new:
                    await self._write(day)
            except StoreError as error:
                if not self._has_failed:
                    _log.error("could not record what was pulled; trying again: %s", error)
                self._has_failed = True
                return
        self._has_failed = False

    async def _write(self, day: _Day) -> None:
        """Write the record of a day. One call, unless another request has changed the record.

        Only over what this instance has written before: a request that arrives late does nothing.
        """
        written = dict(day.pulls)
        content = await off_loop(len(written) * REFERENCE_BYTES, _encode, written)
        path = self._layout.pulls_of(day.name, f"{self._instance}-{day.part}")
        for _ in range(_ATTEMPTS):
            condition = if_match(day.etag) if day.etag else IF_ABSENT
            try:
                day.etag = await self._store.put(path, content, condition=condition)
                break
            except ConditionFailed:  # an earlier write whose answer was lost, or a merge
                day.etag = await self._etag(path)
        else:
            raise contended(path)
        day.is_new = not day.pulls.keys() <= written.keys()
        if len(written) > self._most // 2:  # there is room for others then
            day.part, day.etag = next(self._parts), None
            for pulled in written:
                day.pulls.pop(pulled, None)

    async def _etag(self, path: str) -> str | None:
        try:
            return (await self._store.head(path)).etag
        except NotFound:
            return None


async def _passes(seconds: float, *, unless: asyncio.Event) -> None:
    """Wait for some time, or until something happens."""
    if seconds <= 0:
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await unless.wait()


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _log.error("recording pulls failed; the next pull begins again", exc_info=error)


def _encode(pulls: dict[str, int]) -> bytes:
    by_repository: dict[str, dict[str, int]] = {}
    for pulled, at in pulls.items():
        repository, _, reference = pulled.partition("@" if "@" in pulled else ":")
        by_repository.setdefault(repository, {})[reference] = at
    return encode_pulls(by_repository)
