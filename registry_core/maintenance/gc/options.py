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
    left alone since, is deleted.

    :ivar untagged: the age at which manifests go that no tag leads to; None: never.
    :ivar shared: whether another registry, or an older version of this one, writes to the
        container: then nothing that is condemned goes. None: if it looks like it.
    :ivar upload_age: for how long uploads stay that nobody continues.
    :ivar trash_age: for how long deletions can be undone.
    :ivar policy: which tags and manifests expire. :ivar immutable: the tags that never do.
    :ivar pulls_recorded: whether instances record what is pulled from them.
    :ivar dry_run: write nothing; say what a run would do.
    :ivar table_limit: with more blobs than that, a run takes 16 passes.
    """

    grace: timedelta = timedelta(days=2)
    young: timedelta = timedelta(days=1)
    untagged: timedelta | None = None
    shared: bool | None = None
    upload_age: timedelta = timedelta(days=7)
    trash_age: timedelta = timedelta(days=14)
    policy: RetentionPolicy = NO_POLICY
    immutable: TagGlobs = NO_TAGS
    pulls_recorded: bool = True
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
