"""What the checks of one examination share."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ...aio import run_to_completion
from ...object_store.errors import NotFound, StoreRefused
from ...object_store.interface import ObjectStore, exists
from ...spec.digest import Digest
from ...storage.layout import Layout
from ..digest_table import DigestTable
from ..walk import OnProgress
from .report import DoctorReport, Finding, Problem

CONCURRENCY = 8
"""How many manifests, tags or other items are checked at the same time."""


@dataclass(frozen=True)
class DoctorOptions:
    """What to examine and what to do about it.

    ``root`` is the registry's root as in `Layout`; None examines the whole container.
    ``root_setting`` is the name of the setting that would choose a root, for messages. ``verify``
    hashes all content, or that whose digests begin with ``verify_prefix``. ``repair`` repairs what
    can be repaired. Objects younger than ``grace`` are not judged where a push in progress would
    look the same.
    """

    root: str | None = None
    root_setting: str = "the root directory"
    repair: bool = False
    verify: bool = False
    verify_prefix: str = ""
    grace: timedelta = timedelta(minutes=5)


Repair = Callable[[], Coroutine[Any, Any, str]]
"""Repairs one problem. Returns what was done, or "" if the container has changed meanwhile."""


@dataclass
class CheckContext:
    """One registry under examination: where it is, what is known of it, what may be repaired.

    ``content`` has every digest whose content was listed, with its size in bytes; those that
    something references are marked. ``damaged`` are the digests already reported as damaged,
    ``quarantined`` those of them whose content is not at its address any more.
    """

    store: ObjectStore
    layout: Layout
    report: DoctorReport
    options: DoctorOptions
    on_progress: OnProgress
    may_repair: bool
    content: DigestTable = field(default_factory=DigestTable)
    damaged: set[Digest] = field(default_factory=set)
    quarantined: set[Digest] = field(default_factory=set)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def is_young(self, modified: datetime) -> bool:
        """Return whether an object of that time may belong to a push in progress."""
        return self.now - modified < self.options.grace

    async def exists(self, path: str) -> bool:
        """Look again for what the listing lacked: it may have been pushed since. One call."""
        return await exists(self.store, path)

    def listed_size(self, digest: Digest) -> int | None:
        """Return the size of a digest's content as it was listed, None if it is not known."""
        return None if digest in self.quarantined else self.content.number(digest)

    async def content_size(self, digest: Digest) -> int | None:
        """Return the size of a digest's content, None if there is none.

        No call if the content was listed, otherwise one.
        """
        size = self.listed_size(digest)
        return await self.look_at_content(digest) if size is None else size

    async def look_at_content(self, digest: Digest) -> int | None:
        """Return the size of a digest's content as it is now, None if there is none. One call."""
        try:
            return (await self.store.head(self.layout.content(digest))).size
        except NotFound:
            return None

    async def report_problem(
        self,
        problem: Problem,
        path: str,
        message: str,
        *,
        repository: str = "",
        repair: Repair | None = None,
    ) -> bool:
        """Report a problem, after repairing it if that is possible and requested.

        Returns whether it was repaired.
        """

        async def settle() -> bool:
            done, text = "", message
            if repair and self.may_repair:
                try:
                    done = await repair()
                except StoreRefused as error:
                    text = f"{message}; storage refuses the repair ({error})"
            self.report.add(Finding(problem, path, text, repository, repair is not None, done))
            return bool(done)

        return await run_to_completion(settle())
