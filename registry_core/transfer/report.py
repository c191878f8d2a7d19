"""What a copy has done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ..spec.digest import Digest
from ..spec.errors import RegistryError


class Outcome(StrEnum):
    """How content came to be at the target; of a dry run: how it would."""

    COPIED = "copied"
    """Its bytes passed through here."""
    MOUNTED = "mounted"
    """Another repository of the target's registry had it."""
    FETCHED = "fetched"
    """The target's storage fetched it by itself."""
    PRESENT = "present"
    """It was there already."""
    ABSENT = "absent"
    """The source does not have it, and need not: a layer that is not to be distributed."""


@dataclass(frozen=True)
class Amount:
    """A number of blobs or manifests, and their bytes."""

    number: int = 0
    size: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.number + other.number, self.size + other.size)


NOTHING = Amount()


@dataclass(frozen=True)
class CopyReport:
    """What a copy has done, or, if it was a dry run, would do.

    Everything counts once, however often it is named. ``tags`` are those that were set, with the
    digest that they point to now; ``present_tags`` pointed there already. ``failures`` are the tags
    that could not be copied, and why. ``bytes_read`` is how much was read of the source's blobs,
    repeated reads included.
    """

    source: str
    target: str
    dry_run: bool = False
    manifests: Mapping[Outcome, Amount] = field(default_factory=dict)
    blobs: Mapping[Outcome, Amount] = field(default_factory=dict)
    tags: Mapping[str, Digest] = field(default_factory=dict)
    present_tags: Mapping[str, Digest] = field(default_factory=dict)
    failures: Mapping[str, RegistryError] = field(default_factory=dict)
    bytes_read: int = 0

    @property
    def changed(self) -> bool:
        """Whether anything was written."""
        written = (Outcome.COPIED, Outcome.MOUNTED, Outcome.FETCHED)
        return bool(self.tags) or any(
            amounts.get(outcome, NOTHING).number
            for amounts in (self.manifests, self.blobs)
            for outcome in written
        )

    def to_json(self) -> dict[str, object]:
        """Return the report as a JSON object."""
        return {
            "source": self.source,
            "target": self.target,
            "dryRun": self.dry_run,
            "manifests": _amounts_to_json(self.manifests),
            "blobs": _amounts_to_json(self.blobs),
            "tags": {tag: str(digest) for tag, digest in self.tags.items()},
            "presentTags": {tag: str(digest) for tag, digest in self.present_tags.items()},
            "failures": {
                tag: {"code": str(error.code), "message": error.errors[0].message}
                for tag, error in self.failures.items()
            },
            "bytesRead": self.bytes_read,
        }


def _amounts_to_json(amounts: Mapping[Outcome, Amount]) -> dict[str, object]:
    return {
        str(outcome): {"number": amount.number, "bytes": amount.size}
        for outcome, amount in amounts.items()
    }


@dataclass
class Tally:
    """A report that is being filled in."""

    source: str
    target: str
    dry_run: bool
    manifests: dict[Outcome, Amount] = field(default_factory=lambda: defaultdict(Amount))
    blobs: dict[Outcome, Amount] = field(default_factory=lambda: defaultdict(Amount))
    tags: dict[str, Digest] = field(default_factory=dict)
    present_tags: dict[str, Digest] = field(default_factory=dict)
    failures: dict[str, RegistryError] = field(default_factory=dict)

    def count_manifest(self, outcome: Outcome, size: int) -> None:
        self.manifests[outcome] += Amount(1, size)

    def count_blob(self, outcome: Outcome, size: int) -> None:
        self.blobs[outcome] += Amount(1, size)

    def report(self, bytes_read: int) -> CopyReport:
        """Return what was counted so far."""
        return CopyReport(
            self.source,
            self.target,
            self.dry_run,
            dict(self.manifests),
            dict(self.blobs),
            dict(sorted(self.tags.items())),
            dict(sorted(self.present_tags.items())),
            dict(sorted(self.failures.items())),
            bytes_read,
        )
