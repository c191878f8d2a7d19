"""The result of a collection: what was found, condemned and deleted, and what the container holds.

The same JSON is the report of the command line and the record of a run in the container.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

MAX_ITEMS = 10_000
"""How many items are kept in full; all are counted."""

MAX_NOTES = 1000

NOT_OURS = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading a JSON document raises that something else wrote, or another version."""


class Part(StrEnum):
    """The kinds of objects that a collection judges; the value is the name in reports."""

    LAYER_LINKS = "layer_links"
    MANIFESTS = "manifests"
    CONTENT = "content"
    TAGS = "tags"
    HISTORY = "history"
    REFERRERS = "referrers"
    UPLOADS = "uploads"
    CATALOG = "catalog"
    TRASH = "trash"
    QUARANTINE = "quarantine"
    COLLECTIONS = "collections"


class Action(StrEnum):
    """What a run does with an object, or would do."""

    CONDEMN = "condemn"
    WAIT = "wait"
    DELETE = "delete"
    PARDON = "pardon"


@dataclass
class PartCount:
    """How many objects of a kind were judged, and what became of them.

    ``waiting`` are condemned already, and stay for now. ``refused``: storage does not permit the
    change. The bytes are those of the objects themselves.
    """

    examined: int = 0
    condemned: int = 0
    condemned_bytes: int = 0
    waiting: int = 0
    waiting_bytes: int = 0
    pardoned: int = 0
    deleted: int = 0
    deleted_bytes: int = 0
    refused: int = 0


@dataclass(frozen=True)
class Item:
    """An object that goes, or is about to. ``due``: when it may be deleted at the earliest."""

    part: Part
    action: Action
    path: str
    reason: str
    bytes: int = 0
    due: str = ""


@dataclass
class RepositoryUsage:
    """What a repository holds; ``bytes`` of content, each digest once."""

    tags: int = 0
    manifests: int = 0
    bytes: int = 0


@dataclass
class Amount:
    """A number of objects and their bytes."""

    number: int = 0
    bytes: int = 0

    def add(self, size: int, number: int = 1) -> None:
        """Count objects of ``size`` bytes in all."""
        self.number += number
        self.bytes += size


@dataclass
class Usage:
    """What the container holds. ``content``: all of it, each digest once.

    ``garbage`` is the content that nothing references, ``condemned`` the part of it that is
    condemned. ``trash`` counts the records of deletions, and the bytes that only they keep.
    """

    repositories: dict[str, RepositoryUsage] = field(default_factory=dict)
    content: Amount = field(default_factory=Amount)
    garbage: Amount = field(default_factory=Amount)
    condemned: Amount = field(default_factory=Amount)
    trash: Amount = field(default_factory=Amount)

    @property
    def tags(self) -> int:
        """The number of tags in all repositories."""
        return sum(each.tags for each in self.repositories.values())

    @property
    def manifests(self) -> int:
        """The number of manifests in all repositories, each repository's counted."""
        return sum(each.manifests for each in self.repositories.values())

    def to_json(self) -> Mapping[str, object]:
        """Return the usage as a JSON object."""
        return {
            "repositories": len(self.repositories),
            "tags": self.tags,
            "manifests": self.manifests,
            "content": asdict(self.content),
            "garbage": asdict(self.garbage),
            "condemned": asdict(self.condemned),
            "trash": asdict(self.trash),
            "by_repository": {
                name: asdict(each) for name, each in sorted(self.repositories.items())
            },
        }

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Usage:
        """Return what `to_json` wrote. :raises Exception: one of `NOT_OURS`."""
        return cls(
            {name: RepositoryUsage(**each) for name, each in document["by_repository"].items()},
            *(Amount(**document[name]) for name in ("content", "garbage", "condemned", "trash")),
        )


@dataclass
class GcReport:
    """Everything known so far; it grows during the run.

    ``started`` is the run's time by the clock of storage; None in a dry run of an empty container.
    ``finished`` is False while slices remain. ``unswept`` says why nothing condemned is deleted,
    ``content_kept`` why no content is judged; both are empty as a rule. ``opaque`` has the
    repositories in which nothing is judged, and why. ``refused`` are paths that storage does not
    permit to be changed. ``usage`` is complete when the run is.
    """

    run: str = ""
    started: datetime | None = None
    dry_run: bool = False
    finished: bool = False
    stopped: str = ""
    unswept: str = ""
    content_kept: str = ""
    parts: dict[Part, PartCount] = field(
        default_factory=lambda: {part: PartCount() for part in Part}
    )
    opaque: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    items_left_out: int = 0
    usage: Usage = field(default_factory=Usage)

    def add(self, item: Item) -> None:
        """Keep an item while there are fewer than `MAX_ITEMS`."""
        if len(self.items) < MAX_ITEMS:
            self.items.append(item)
        else:
            self.items_left_out += 1

    def refuse(self, part: Part, path: str) -> None:
        """Count an object that storage does not permit to be changed."""
        self.parts[part].refused += 1
        if len(self.refused) < MAX_NOTES:
            self.refused.append(path)

    def keep_content(self, reason: str) -> None:
        """Note the first reason why no content is judged."""
        self.content_kept = self.content_kept or reason

    @property
    def deleted_bytes(self) -> int:
        """The bytes that the run has freed, or would free now."""
        return sum(count.deleted_bytes for count in self.parts.values())

    def to_json(self) -> Mapping[str, object]:
        """Return the report as a JSON object. docs/garbage-collection.md lists its keys."""
        return {
            "version": 1,
            "run": self.run,
            "started": self.started.isoformat() if self.started else None,
            "dry_run": self.dry_run,
            "finished": self.finished,
            "stopped": self.stopped or None,
            "unswept": self.unswept or None,
            "content_kept": self.content_kept or None,
            "parts": {str(part): asdict(count) for part, count in self.parts.items()},
            "opaque": self.opaque,
            "refused": self.refused,
            "items": [asdict(item) for item in self.items],
            "items_left_out": self.items_left_out,
            "usage": self.usage.to_json(),
        }

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> GcReport:
        """Return what `to_json` wrote.

        :raises Exception: one of `NOT_OURS`.
        """
        if document["version"] != 1:
            raise ValueError("a report of another version")
        started = document["started"]
        items = [
            Item(Part(item.pop("part")), Action(item.pop("action")), **item)
            for item in map(dict, document["items"])
        ]
        return cls(
            document["run"],
            datetime.fromisoformat(started) if started else None,
            document["dry_run"],
            document["finished"],
            document["stopped"] or "",
            document["unswept"] or "",
            document["content_kept"] or "",
            {Part(part): PartCount(**count) for part, count in document["parts"].items()},
            dict(document["opaque"]),
            list(document["refused"]),
            items,
            document["items_left_out"],
            Usage.of_json(document["usage"]),
        )
