"""The cost of each kind of request, read from measured.toml, which documents its fields."""

from __future__ import annotations

import math
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("measured.toml")
CLASSES = ("write", "list", "read", "other", "free")
"""Azure's billing classes of storage calls."""

MIB = 2**20


@dataclass(frozen=True)
class Temperatures:
    """A quantity for an instance with cold caches, and for one with warm caches."""

    cold: float
    warm: float

    def mixed(self, warm: float) -> float:
        """Return the average when a share ``warm`` (0 to 1) of the requests meets warm caches."""
        return warm * self.warm + (1 - warm) * self.cold


@dataclass(frozen=True)
class Kind:
    """A kind of request. Calls are named like the methods of `ObjectStore`.

    ``each`` are calls for each ``each_bytes`` of the body, ``each_blob`` those for each blob of a
    manifest that is not cached.
    """

    what: str
    cold: Sequence[str]
    warm: Sequence[str]
    each_bytes: int
    each: Sequence[str]
    each_blob: Sequence[str]
    cpu_ms: Temperatures
    cpu_mib: float
    answer: int
    """Bytes."""

    def answered_after(self, warm: float, blobs: int = 0) -> Mapping[str, float]:
        """Return the average storage calls that the answer waits for, without those of the body.

        ``warm``: see `Temperatures.mixed`. ``blobs``: the number of blobs of a manifest.
        """
        calls: dict[str, float] = defaultdict(float)
        for names, times in (
            (self.cold, 1 - warm),
            (self.warm, warm),
            (self.each_blob, blobs * (1 - warm)),
        ):
            for name in names:
                calls[name] += times
        return calls

    def calls(self, warm: float, blobs: int = 0, mib: float = 0) -> Mapping[str, float]:
        """Return the average number of storage calls with a body of ``mib`` MiB."""
        calls = dict(self.answered_after(warm, blobs))
        for name in self.each:
            calls[name] = calls.get(name, 0) + math.ceil(mib * MIB / self.each_bytes)
        return calls


@dataclass(frozen=True)
class CollectionCost:
    """The cost of one collection of garbage.

    ``run`` are calls of a run of any size. Each object is ``listed`` so many times on average;
    there are ``each_manifest`` calls for each manifest, ``each_garbage`` for each object that
    becomes garbage, and ``each_batch`` for each batch of deletions. The CPU time is that of an
    object, and of one that becomes garbage besides.
    """

    run: Sequence[str] = ()
    listed: float = 0.0
    each_manifest: Sequence[str] = ()
    each_garbage: Sequence[str] = ()
    each_batch: Sequence[str] = ()
    cpu_ms_object: float = 0.0
    cpu_ms_garbage: float = 0.0


@dataclass(frozen=True)
class Measured:
    """The parsed file: kinds of requests by name, and the class of every storage call."""

    kinds: Mapping[str, Kind]
    classes: Mapping[str, str]
    date: str
    machine: str
    collection: CollectionCost = CollectionCost()


@cache
def read_measured() -> Measured:
    document = tomllib.loads(FILE.read_text(encoding="utf-8"))
    benchmark = document["benchmark"]
    kinds = {name: _kind(table) for name, table in document["request"].items()}
    collection = CollectionCost(**document["collection"])
    return Measured(kinds, document["classes"], benchmark["date"], benchmark["machine"], collection)


def _kind(table: Mapping[str, Any]) -> Kind:
    each = table.get("each", {"bytes": 1, "calls": []})
    return Kind(
        what=table["what"],
        cold=table["cold"],
        warm=table["warm"],
        each_bytes=each["bytes"],
        each=each["calls"],
        each_blob=table.get("each_blob", []),
        cpu_ms=Temperatures(*table["cpu_ms"]),
        cpu_mib=table.get("cpu_mib", 0.0),
        answer=table["answer"],
    )
