"""What a collection of garbage is to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from ...globs import NO_TAGS, TagGlobs
from ..retention.policy import NO_POLICY, RetentionPolicy

TABLE_LIMIT = 2_000_000
"""How many digests of content are kept in memory at once, 41 bytes each."""

Deadline = float | Callable[[], bool] | None
"""When a slice of a run is to end: a time of the event loop, a function that says so, or never."""


@dataclass(frozen=True)
class GcOptions:
    """What to collect, and when. See docs/garbage-collection.md.

    What is garbage and older than ``young`` is condemned; what was condemned ``grace`` ago, and was
    left alone since, is deleted. ``untagged``: the age at which manifests go that no tag leads to;
    None: never. ``shared``: whether another registry, or an older version of this one, writes to
    the container; None: assume so if it looks like it. Uploads not continued for ``upload_age`` and
    records of deletions older than ``trash_age`` are deleted. ``policy`` says which tags expire, of
    those that are not ``immutable``. With ``dry_run`` nothing is written. ``table_limit``: with
    more content than that, the run takes 16 passes.
    """

    grace: timedelta = timedelta(days=2)
    young: timedelta = timedelta(days=1)
    untagged: timedelta | None = None
    shared: bool | None = None
    upload_age: timedelta = timedelta(days=7)
    trash_age: timedelta = timedelta(days=14)
    policy: RetentionPolicy = NO_POLICY
    immutable: TagGlobs = NO_TAGS
    dry_run: bool = False
    table_limit: int = TABLE_LIMIT

    @property
    def history_age(self) -> timedelta:
        """How long the history of a tag names manifests that are gone."""
        return max(self.grace, self.trash_age)

    @property
    def fingerprint(self) -> Mapping[str, object]:
        """What must be the same for another slice to continue a run.

        Retention rules may change: the repositories that remain are judged by the new ones.
        """
        return {
            "grace": self.grace.total_seconds(),
            "young": self.young.total_seconds(),
            "shared": self.shared,
            "trash_age": self.trash_age.total_seconds(),
            "table_limit": self.table_limit,
        }
