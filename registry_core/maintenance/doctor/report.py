"""What a look at a container finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from ...object_store.interface import Properties
from ...storage.layout_parse import Kind

MOST_FINDINGS = 10_000
"""That are kept in full; the rest is counted."""


class Trouble(StrEnum):
    """What can be wrong. The README says what each means and what a repair does."""

    TWO_REGISTRIES = "two-registries"
    NOT_SERVED = "not-served"
    LINK_TORN = "link-torn"
    LINK_APPEND = "link-append-blob"
    REPLACEMENT_UNFINISHED = "replacement-unfinished"
    TAG_DANGLING = "tag-dangling"
    TAG_UNLINKED = "tag-unlinked"
    TAG_TORN = "tag-torn"
    TAG_INCOMPLETE = "tag-incomplete"
    MANIFEST_DANGLING = "manifest-dangling"
    MANIFEST_INVALID = "manifest-invalid"
    BLOB_DANGLING = "blob-dangling"
    BLOB_UNLINKED = "blob-unlinked"
    BLOB_MISSING = "blob-missing"
    CHILD_UNLINKED = "child-unlinked"
    CHILD_MISSING = "child-missing"
    MARKER_MISSING = "marker-missing"
    MARKER_STALE = "marker-stale"
    REFERRER_MISSING = "referrer-missing"
    REFERRER_STALE = "referrer-stale"
    CONTENT_DAMAGED = "content-damaged"


@dataclass(frozen=True)
class Finding:
    """``path`` is the object that is wrong or missing, ``repaired`` what was done, if anything."""

    trouble: Trouble
    path: str
    says: str
    repository: str = ""
    repairable: bool = False
    repaired: str = ""


@dataclass
class Tally:
    """Objects, by what kind of object they are to storage."""

    block: int = 0
    append: int = 0
    bytes: int = 0

    def add(self, properties: Properties) -> None:
        if properties.is_append:
            self.append += 1
        else:
            self.block += 1
        self.bytes += properties.size


@dataclass
class Amount:
    """So many objects of so many bytes."""

    number: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        self.number += 1
        self.bytes += size


@dataclass
class Uploads:
    """Ages in seconds. ``left_behind`` are those that nobody went on with for a week."""

    number: int = 0
    left_behind: int = 0
    oldest: int = 0


@dataclass
class Report:
    """All that is known so far: it grows while the container is looked at.

    ``stopped`` says why that ended early. ``verified`` is None when no content was to be hashed.
    """

    roots: list[str] = field(default_factory=list)
    objects: dict[Kind, Tally] = field(default_factory=lambda: {kind: Tally() for kind in Kind})
    repositories: int = 0
    manifests: int = 0
    tags: int = 0
    uploads: Uploads = field(default_factory=Uploads)
    unreferenced: Amount = field(default_factory=Amount)
    verified: Amount | None = None
    findings: list[Finding] = field(default_factory=list)
    found: Counter[Trouble] = field(default_factory=Counter)
    repaired: Counter[Trouble] = field(default_factory=Counter)
    stopped: str = ""

    def add(self, finding: Finding) -> None:
        self.found[finding.trouble] += 1
        if finding.repaired:
            self.repaired[finding.trouble] += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(finding)

    @property
    def number_of_objects(self) -> int:
        return sum(tally.block + tally.append for tally in self.objects.values())

    @property
    def left(self) -> int:
        """Problems that were not repaired."""
        return self.found.total() - self.repaired.total()

    def to_json(self) -> Mapping[str, object]:
        """The report as a document; docs/doctor.md lists its keys."""
        return {
            "version": 1,
            "complete": not self.stopped,
            "stopped": self.stopped or None,
            "healthy": not self.stopped and self.left == 0,
            "empty": self.number_of_objects == 0,
            "roots": self.roots,
            "objects": {str(kind): asdict(tally) for kind, tally in self.objects.items()},
            "repositories": self.repositories,
            "manifests": self.manifests,
            "tags": self.tags,
            "uploads": asdict(self.uploads),
            "unreferenced": asdict(self.unreferenced),
            "verified": asdict(self.verified) if self.verified else None,
            "problems": {
                str(trouble): {"found": self.found[trouble], "repaired": self.repaired[trouble]}
                for trouble in sorted(self.found)
            },
            "findings": [asdict(finding) for finding in self.findings],
            "findings_left_out": self.found.total() - len(self.findings),
        }
