"""What a listing has of one repository, held until all of it is known."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...spec.digest import Digest
from ...storage.layout_parse import Kind
from .digest_table import DigestTable
from .links import Seen


@dataclass
class TagRows:
    """``current`` is None where there is no current link; ``index`` has times, in seconds."""

    current: Seen | None = None
    index: DigestTable = field(default_factory=DigestTable)

    def by_age(self) -> list[Digest]:
        """What the tag has pointed to, the newest first."""
        rows = sorted(self.index.rows(), key=lambda row: row[1], reverse=True)
        return [digest for digest, _, _ in rows]

    @property
    def last_indexed(self) -> int:
        return max((time for _, time, _ in self.index.rows()), default=0)


@dataclass
class Rows:
    """``referrers`` are by subject and digest."""

    layers: DigestTable = field(default_factory=DigestTable)
    revisions: DigestTable = field(default_factory=DigestTable)
    tags: dict[str, TagRows] = field(default_factory=dict)
    referrers: dict[tuple[Digest, Digest], Seen] = field(default_factory=dict)

    def take(self, seen: Seen) -> None:
        place = seen.place
        if place.kind is Kind.TAG_LINK:
            self.tags.setdefault(place.tag, TagRows()).current = seen
        elif place.digest is None:
            return
        elif place.kind is Kind.LAYER_LINK:
            self.layers.add(place.digest)
        elif place.kind is Kind.REVISION_LINK:
            self.revisions.add(place.digest)
        elif place.kind is Kind.INDEX_LINK:
            time = int(seen.properties.last_modified.timestamp())
            self.tags.setdefault(place.tag, TagRows()).index.add(place.digest, time)
        elif place.kind is Kind.REFERRER and place.subject is not None:
            self.referrers[place.subject, place.digest] = seen
