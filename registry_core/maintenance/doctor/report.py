"""The result of an examination: counts, problems, and the JSON document made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from ...object_store.interface import Properties, StagedBlocks
from ...storage.condemnation import is_condemned
from ...storage.layout_parse import Kind

MAX_FINDINGS = 10_000
"""How many findings are kept in full; all are counted."""


class Problem(StrEnum):
    """What can be wrong. docs/doctor.md says what each means and how it is repaired."""

    TWO_REGISTRIES = "two-registries"
    NOT_SERVED = "not-served"
    CONTAINER_IMMUTABLE = "container-immutable"
    LINK_TORN = "link-torn"
    LINK_APPEND = "link-append-blob"
    REPLACEMENT_UNFINISHED = "replacement-unfinished"
    TAG_DANGLING = "tag-dangling"
    TAG_UNLINKED = "tag-unlinked"
    TAG_TORN = "tag-torn"
    TAG_INCOMPLETE = "tag-incomplete"
    MANIFEST_DANGLING = "manifest-dangling"
    MANIFEST_INVALID = "manifest-invalid"
    BLOB_AS_MANIFEST = "blob-as-manifest"
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
    TRASH_UNREADABLE = "trash-unreadable"
    ARCHIVED = "archived"


@dataclass(frozen=True)
class Finding:
    """One problem found.

    ``path`` is the object that is wrong or missing; ``repository`` is empty where the problem
    belongs to none; ``repairable`` says whether ``--repair`` can repair it; ``repaired`` says what
    was done, and is empty if nothing was.
    """

    problem: Problem
    path: str
    message: str
    repository: str = ""
    repairable: bool = False
    repaired: str = ""

    def to_json(self) -> Mapping[str, object]:
        """Return the finding as a JSON object."""
        return {
            "problem": self.problem,
            "path": self.path,
            "message": self.message,
            "repository": self.repository,
            "repairable": self.repairable,
            "repaired": self.repaired,
        }


@dataclass
class ObjectCount:
    """How many block blobs and append blobs there are, and their size in bytes."""

    block: int = 0
    append: int = 0
    bytes: int = 0

    def add(self, properties: Properties) -> None:
        """Count one object."""
        if properties.is_append:
            self.append += 1
        else:
            self.block += 1
        self.bytes += properties.size


@dataclass
class ContentCount:
    """A number of objects and their size in bytes."""

    number: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        """Count one object of ``size`` bytes."""
        self.number += 1
        self.bytes += size


@dataclass
class BlockCount:
    """Staged blocks that nobody has committed: at how many paths, how many, and their bytes."""

    paths: int = 0
    blocks: int = 0
    bytes: int = 0

    def add(self, staged: StagedBlocks) -> None:
        """Count the blocks of one path, if there are any."""
        self.paths += staged.number > 0
        self.blocks += staged.number
        self.bytes += staged.size


@dataclass
class UploadCount:
    """Uploads in progress; the age of the ``oldest`` is in seconds.

    ``left_behind`` are those not continued for a week.
    """

    number: int = 0
    left_behind: int = 0
    oldest: int = 0


@dataclass
class DoctorReport:
    """Everything known so far; it grows during the examination and is valid at any time.

    ``stopped`` says why the examination ended early. ``verified`` is None unless content was
    hashed. ``trashed`` is the content that only records of deletions keep, ``condemned`` what
    collections of garbage have condemned, by the kind of object. ``tiers`` are the objects of each
    access tier, in storage's words; ``uncommitted`` the staged blocks, by the kind of object that
    they would become.
    """

    roots: list[str] = field(default_factory=list)
    objects: dict[Kind, ObjectCount] = field(
        default_factory=lambda: {kind: ObjectCount() for kind in Kind}
    )
    repositories: int = 0
    manifests: int = 0
    tags: int = 0
    uploads: UploadCount = field(default_factory=UploadCount)
    unreferenced: ContentCount = field(default_factory=ContentCount)
    trashed: ContentCount = field(default_factory=ContentCount)
    condemned: dict[Kind, ContentCount] = field(default_factory=dict)
    tiers: dict[str, ContentCount] = field(default_factory=dict)
    uncommitted: dict[Kind, BlockCount] = field(default_factory=dict)
    verified: ContentCount | None = None
    findings: list[Finding] = field(default_factory=list)
    found: Counter[Problem] = field(default_factory=Counter)
    repaired: Counter[Problem] = field(default_factory=Counter)
    stopped: str = ""

    def count(self, kind: Kind, properties: Properties) -> None:
        """Count one object."""
        self.objects[kind].add(properties)
        if is_condemned(properties):
            self.condemned.setdefault(kind, ContentCount()).add(properties.size)
        if properties.tier:
            self.tiers.setdefault(properties.tier, ContentCount()).add(properties.size)

    def add(self, finding: Finding) -> None:
        """Count a finding, and keep it while there are fewer than `MAX_FINDINGS`."""
        self.found[finding.problem] += 1
        if finding.repaired:
            self.repaired[finding.problem] += 1
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(finding)

    @property
    def number_of_objects(self) -> int:
        """The number of objects listed so far."""
        return sum(count.block + count.append for count in self.objects.values())

    @property
    def remaining(self) -> int:
        """The number of problems that were not repaired."""
        return self.found.total() - self.repaired.total()

    def to_json(self) -> Mapping[str, object]:
        """Return the report as a JSON object. docs/doctor.md lists its keys."""
        return {
            "version": 1,
            "complete": not self.stopped,
            "stopped": self.stopped or None,
            "healthy": not self.stopped and self.remaining == 0,
            "empty": self.number_of_objects == 0,
            "roots": self.roots,
            "objects": {str(kind): asdict(count) for kind, count in self.objects.items()},
            "repositories": self.repositories,
            "manifests": self.manifests,
            "tags": self.tags,
            "uploads": asdict(self.uploads),
            "unreferenced": asdict(self.unreferenced),
            "trashed": asdict(self.trashed),
            "condemned": {
                str(kind): asdict(count) for kind, count in sorted(self.condemned.items())
            },
            "tiers": {tier: asdict(count) for tier, count in sorted(self.tiers.items())},
            "uncommitted": {
                str(kind): asdict(count) for kind, count in sorted(self.uncommitted.items())
            },
            "verified": asdict(self.verified) if self.verified else None,
            "problems": {
                str(problem): {"found": self.found[problem], "repaired": self.repaired[problem]}
                for problem in sorted(self.found)
            },
            "findings": [finding.to_json() for finding in self.findings],
            "findings_left_out": self.found.total() - len(self.findings),
        }
