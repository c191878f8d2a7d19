"""What the parts of an examination share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from ...aio import together
from ...object_store.interface import NotFound, ObjectStore
from ...spec.digest import Digest
from ...storage.layout import Layout
from .digest_table import DigestTable
from .replacing import is_there
from .report import Finding, Report, Trouble

T = TypeVar("T")

AT_ONCE = 8


@dataclass(frozen=True)
class Options:
    """``root`` as in `Layout`, None to look at all there is; ``setting`` is what would name it.

    What is younger than ``grace`` may be somebody's work under way, where that would look alike.
    """

    root: str | None = None
    setting: str = "the root directory"
    repair: bool = False
    verify: bool = False
    grace: timedelta = timedelta(minutes=5)


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total``, None while that is not known, in the stage's ``unit``."""

    stage: str
    done: int
    total: int | None
    unit: str


Tell = Callable[[Progress], None]
Repair = Callable[[], Coroutine[Any, Any, str]]
"""Returns what it did; nothing when the container has changed so that it could not."""


@dataclass
class Case:
    """One registry in the container: where it is, what is known of it, what may be done to it."""

    store: ObjectStore
    layout: Layout
    report: Report
    options: Options
    tell: Tell
    may_repair: bool
    content: DigestTable = field(default_factory=DigestTable)
    damaged: set[Digest] = field(default_factory=set)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def is_young(self, modified: datetime) -> bool:
        return self.now - modified < self.options.grace

    async def is_there(self, path: str) -> bool:
        """A second look: what was pushed since the listing is no finding. One call."""
        return await is_there(self.store, path)

    async def size_of(self, digest: Digest) -> int | None:
        """Of the content; None when it is not there. A call only if the listing did not have it."""
        size = self.content.number(digest)
        if size is not None:
            return size
        try:
            return (await self.store.head(self.layout.content(digest))).size
        except NotFound:
            return None

    async def found(
        self,
        trouble: Trouble,
        path: str,
        says: str,
        *,
        repository: str = "",
        repair: Repair | None = None,
    ) -> str:
        """Report it, repaired if there is a way and it is asked for. Returns what was done."""

        async def settle() -> str:
            done = await repair() if repair and self.may_repair else ""
            self.report.add(Finding(trouble, path, says, repository, repair is not None, done))
            return done

        return await finished(settle())


async def finished(work: Coroutine[Any, Any, T]) -> T:
    """Its result. When this task is cancelled, the work is done first, and then it ends."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


async def for_each(
    items: Iterable[T], work: Callable[[T], Awaitable[None]], at_once: int = AT_ONCE
) -> None:
    """Do the work for all of them, some at the same time. What the first raises ends it."""
    source = iter(items)
    failed = False

    async def worker() -> None:
        nonlocal failed
        for item in source:
            try:
                await work(item)
            except BaseException:
                failed = True
                raise
            if failed:
                return

    await together(worker() for _ in range(at_once))
