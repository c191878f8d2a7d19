"""The usage of a month: requests, storage calls, instance seconds and bytes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .collection import Collection
from .measured import CLASSES, MIB, Measured
from .traffic import Assumptions, Burst, Minimum, Requests, Traffic, pull_of, push_of

LEAST_SECONDS = 1.0
ROUNDED_TO = 0.1
"""An active period is billed for at least one second, in steps of a tenth."""

_GB = 1e9


@dataclass(frozen=True)
class Usage:
    """The usage of a month: ``calls`` by billing class, ``log_gb`` and ``out_gb`` in 10^9 bytes.

    ``calls`` has those of requests and of collections of garbage, all else is of requests.
    """

    requests: float
    calls: Mapping[str, float]
    cpu_seconds: float
    log_gb: float
    out_gb: float
    """The bytes that leave the region, from the registry or from storage."""


@dataclass(frozen=True)
class Model:
    """Traffic, assumptions and measurements, from which every figure of a bill is computed."""

    traffic: Traffic
    assumptions: Assumptions
    measured: Measured

    def bursts(self) -> Iterator[tuple[int, Burst]]:
        """Yield each burst of a pull and of a push with its monthly number."""
        for times, bursts in (
            (self.traffic.pulls, pull_of(self.traffic)),
            (self.traffic.pushes, push_of(self.traffic)),
        ):
            yield from ((times, burst) for burst in bursts)

    @property
    def collection(self) -> Collection:
        """The collection of garbage."""
        return Collection(self.traffic, self.assumptions, self.measured)

    def usage(self) -> Usage:
        total, cpu, answers = 0.0, 0.0, 0.0
        calls = dict.fromkeys(CLASSES, 0.0)
        for times, burst in self.bursts():
            for requests in burst:
                number = times * requests.times
                total += number
                cpu += number * self._cpu_seconds(requests)
                answers += number * self.measured.kinds[requests.kind].answer
                for name, count in self._calls(requests).items():
                    calls[self.measured.classes[name]] += number * count
                if requests.kind == "get_blob":
                    calls["read"] += number  # the client's own, where it was redirected to
        for name, count in self.collection.calls.items():
            calls[self.measured.classes[name]] += count
        layers = self.traffic.pulled_gib * 1024 * MIB
        return Usage(
            requests=total,
            calls=calls,
            cpu_seconds=cpu,
            log_gb=total * self.assumptions.log_bytes / _GB,
            out_gb=self.traffic.outside * (layers + answers) / _GB,
        )

    def instance_seconds(self, cores: float, minimum: Minimum | None = None) -> float:
        """Return the billed seconds of instances with so many cores that serve requests."""
        alone, busy = 0.0, 0.0
        for times, burst in self.bursts():
            walls = [(requests.times, self.seconds(requests, cores)) for requests in burst]
            if (minimum or self.assumptions.minimum) is Minimum.REQUEST:
                alone += times * sum(number * billed(wall) for number, wall in walls)
                busy += times * sum(number * wall for number, wall in walls)
            else:
                seconds = billed(sum(number * wall for number, wall in walls))
                alone += times * seconds
                busy += times * seconds
        return alone * self._overlap_factor(busy)

    def collection_seconds(self, cores: float) -> float:
        """Return the billed seconds of collections of garbage, on an instance of their own."""
        return self.collection.runs * billed(self.collection.seconds_of_a_run(cores))

    def _overlap_factor(self, busy: float) -> float:
        """Return the factor by which overlapping periods reduce the bill.

        ``busy`` is the total length of all periods in seconds. If they start at random (Poisson)
        and ``load`` of them run on an instance on average, it is active 1 - e^-load of the time
        (busy period of an M/G/infinity queue). There are as many instances as the load requires.
        """
        everywhere = busy / (self.assumptions.busy_hours * 3600)
        instances = max(1, math.ceil(everywhere / self.assumptions.concurrency))
        load = everywhere / instances
        return -math.expm1(-load) / load if load else 1.0

    def seconds(self, requests: Requests, cores: float) -> float:
        """Return how long one such request keeps an instance with so many cores busy.

        That is the CPU time, then the storage calls that the answer waits for, one after the other,
        and the body: the client's transfer time, or the CPU time if that is longer. Storage calls
        for the body run in parallel.
        """
        kind = self.measured.kinds[requests.kind]
        waiting = sum(kind.answered_after(self.traffic.warm, requests.blobs).values())
        cpu = kind.cpu_ms.mixed(self.traffic.warm) / 1000 / cores
        body = requests.mib * MIB * 8 / (self.assumptions.client_mbit * 1e6)
        work = requests.mib * kind.cpu_mib / 1000 / cores
        fixed = self.assumptions.host_ms + waiting * self.assumptions.storage_ms
        return fixed / 1000 + cpu + max(body, work)

    def _cpu_seconds(self, requests: Requests) -> float:
        kind = self.measured.kinds[requests.kind]
        return (kind.cpu_ms.mixed(self.traffic.warm) + requests.mib * kind.cpu_mib) / 1000

    def _calls(self, requests: Requests) -> Mapping[str, float]:
        kind = self.measured.kinds[requests.kind]
        return kind.calls(self.traffic.warm, requests.blobs, requests.mib)


def billed(seconds: float) -> float:
    """Return the billed seconds of an active period."""
    tenths = math.ceil(round(seconds / ROUNDED_TO, 6))
    return max(LEAST_SECONDS, tenths * ROUNDED_TO)


def per_operation(bursts: Sequence[Burst]) -> Mapping[str, int]:
    """Return the number of requests of each kind."""
    counted: Counter[str] = Counter()
    for burst in bursts:
        for requests in burst:
            counted[requests.kind] += requests.times
    return counted
