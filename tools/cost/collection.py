"""The usage of collecting garbage: runs over all objects of the container, some times a month."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from .measured import CollectionCost, Measured
from .traffic import Assumptions, Traffic

_PAGE = 5000  # rows of a listing
_BATCH = 256  # deletions in one call
_AT_ONCE = 16  # calls that a run makes at a time


@dataclass(frozen=True)
class Collection:
    """The runs of a month over ``traffic.objects``. Without objects there are none."""

    traffic: Traffic
    assumptions: Assumptions
    measured: Measured

    @property
    def runs(self) -> int:
        """The number of runs."""
        return self.assumptions.collections if self.traffic.objects else 0

    @property
    def calls(self) -> Mapping[str, float]:
        """The storage calls of all runs, by method."""
        calls = Counter[str]()
        for name, number in self._calls_of_a_run().items():
            calls[name] = round(number * self.runs)
        return calls

    def seconds_of_a_run(self, cores: float) -> float:
        """Return how long a run takes on an instance with so many cores.

        That is the CPU time; the pages of listings, one after the other; and all other calls,
        several at a time.
        """
        calls = Counter(self._calls_of_a_run())
        pages = calls.pop("list", 0)
        waiting = pages * self.assumptions.list_ms
        waiting += calls.total() * self.assumptions.storage_ms / _AT_ONCE
        return waiting / 1000 + self.cpu_of_a_run / cores

    @property
    def cpu_of_a_run(self) -> float:
        """The CPU seconds of a run."""
        of_objects = self.traffic.objects * self._cost.cpu_ms_object
        return (of_objects + self._garbage * self._cost.cpu_ms_garbage) / 1000

    @property
    def _cost(self) -> CollectionCost:
        return self.measured.collection

    @property
    def _manifests(self) -> float:
        return self.traffic.objects / self.assumptions.manifest_objects

    @property
    def _garbage(self) -> float:
        """The objects that become garbage between two runs: as many are condemned, and deleted."""
        return self.traffic.objects * self.assumptions.garbage

    def _calls_of_a_run(self) -> Mapping[str, float]:
        calls = Counter[str](self._cost.run)
        calls["list"] += math.ceil(self.traffic.objects * self._cost.listed / _PAGE)
        for name in self._cost.each_manifest:
            calls[name] += math.ceil(self._manifests)
        for name in self._cost.each_garbage:
            calls[name] += math.ceil(self._garbage)
        for name in self._cost.each_batch:
            calls[name] += math.ceil(self._garbage / _BATCH)
        return calls
