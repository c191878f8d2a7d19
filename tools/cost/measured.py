"""What a request costs, as counted and measured: measured.toml, which explains its own fields."""

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
"""How Azure bills storage calls."""

MIB = 2**20


@dataclass(frozen=True)
class Temperatures:
    """One quantity of an instance that has not seen what is asked for, and of one that has."""

    cold: float
    warm: float

    def mixed(self, warm: float) -> float:
        """The average, where ``warm`` (0 to 1) of the requests meet an instance that has."""
        return warm * self.warm + (1 - warm) * self.cold


@dataclass(frozen=True)
class Kind:
    """A kind of request. Calls are named as `ObjectStore` names its methods."""

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
        """Storage calls that the answer waits for, on average: those without the body's own.

        ``warm``: see `Temperatures.mixed`. ``blobs``: how many a manifest names.
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
        """All storage calls, on average, with a body of ``mib`` MiB."""
        calls = dict(self.answered_after(warm, blobs))
        for name in self.each:
            calls[name] = calls.get(name, 0) + math.ceil(mib * MIB / self.each_bytes)
        return calls


@dataclass(frozen=True)
class Measured:
    """``classes`` has the class of every storage call; ``kinds`` are by name."""

    kinds: Mapping[str, Kind]
    classes: Mapping[str, str]
    date: str
    machine: str


@cache
def read_measured() -> Measured:
    document = tomllib.loads(FILE.read_text(encoding="utf-8"))
    benchmark = document["benchmark"]
    kinds = {name: _kind(table) for name, table in document["request"].items()}
    return Measured(kinds, document["classes"], benchmark["date"], benchmark["machine"])


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
