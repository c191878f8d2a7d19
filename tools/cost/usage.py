"""What a month's traffic uses: requests, storage calls, seconds of instances, bytes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .measured import CLASSES, MIB, Measured
from .traffic import Asked, Assumptions, Burst, Minimum, Traffic, pull_of, push_of

LEAST_SECONDS = 1.0
ROUNDED_TO = 0.1
"""An active period is billed for a second at least, and then in tenths (docs/cost.md)."""

_GB = 1e9


@dataclass(frozen=True)
class Usage:
    """Of one month. ``calls`` are by Azure's classes; ``log_gb`` and ``out_gb`` in 10^9 bytes."""

    requests: float
    calls: Mapping[str, float]
    cpu_seconds: float
    log_gb: float
    out_gb: float
    """That leaves the region, from the registry or from storage: at the same price."""


@dataclass(frozen=True)
class Model:
    """Traffic and assumptions, and what was measured. Every figure of a bill comes from here."""

    traffic: Traffic
    assumptions: Assumptions
    measured: Measured

    def bursts(self) -> Iterator[tuple[int, Burst]]:
        """Each burst of a pull and of a push, with how often it happens."""
        for times, bursts in (
            (self.traffic.pulls, pull_of(self.traffic)),
            (self.traffic.pushes, push_of(self.traffic)),
        ):
            yield from ((times, burst) for burst in bursts)

    def usage(self) -> Usage:
        requests, cpu, answers = 0.0, 0.0, 0.0
        calls = dict.fromkeys(CLASSES, 0.0)
        for times, burst in self.bursts():
            for asked in burst:
                number = times * asked.times
                requests += number
                cpu += number * self._cpu_seconds(asked)
                answers += number * self.measured.kinds[asked.kind].answer
                for name, count in self._calls(asked).items():
                    calls[self.measured.classes[name]] += number * count
                if asked.kind == "get_blob":
                    calls["read"] += number  # the client's own, where it was redirected to
        layers = self.traffic.pulled_gib * 1024 * MIB
        return Usage(
            requests=requests,
            calls=calls,
            cpu_seconds=cpu,
            log_gb=requests * self.assumptions.log_bytes / _GB,
            out_gb=self.traffic.outside * (layers + answers) / _GB,
        )

    def instance_seconds(self, cores: float, minimum: Minimum | None = None) -> float:
        """What is billed of instances with so many cores."""
        alone, busy = 0.0, 0.0
        for times, burst in self.bursts():
            walls = [(asked.times, self.seconds(asked, cores)) for asked in burst]
            if (minimum or self.assumptions.minimum) is Minimum.REQUEST:
                alone += times * sum(number * billed(wall) for number, wall in walls)
                busy += times * sum(number * wall for number, wall in walls)
            else:
                seconds = billed(sum(number * wall for number, wall in walls))
                alone += times * seconds
                busy += times * seconds
        return alone * self._share_of_its_own(busy)

    def _share_of_its_own(self, busy: float) -> float:
        """How much of what would be billed for each period alone is left, as periods overlap.

        ``busy`` is the length of all of them in seconds. Where they begin by chance (Poisson) and
        ``load`` of them are under way on an instance on average, it is active 1 - e^-load of the
        time: M/G/infinity, busy period. Instances are as many as the load needs.
        """
        everywhere = busy / (self.assumptions.busy_hours * 3600)
        instances = max(1, math.ceil(everywhere / self.assumptions.concurrency))
        load = everywhere / instances
        return -math.expm1(-load) / load if load else 1.0

    def seconds(self, asked: Asked, cores: float) -> float:
        """How long an instance with so many cores is busy with one such request.

        What it computes, then the storage calls that the answer waits for, one after the other; a
        body takes as long as the client takes for it, or the CPU if that takes longer. Calls that
        go with the body are made meanwhile.
        """
        kind = self.measured.kinds[asked.kind]
        waiting = sum(kind.answered_after(self.traffic.warm, asked.blobs).values())
        cpu = kind.cpu_ms.mixed(self.traffic.warm) / 1000 / cores
        body = asked.mib * MIB * 8 / (self.assumptions.client_mbit * 1e6)
        work = asked.mib * kind.cpu_mib / 1000 / cores
        fixed = self.assumptions.host_ms + waiting * self.assumptions.storage_ms
        return fixed / 1000 + cpu + max(body, work)

    def _cpu_seconds(self, asked: Asked) -> float:
        kind = self.measured.kinds[asked.kind]
        return (kind.cpu_ms.mixed(self.traffic.warm) + asked.mib * kind.cpu_mib) / 1000

    def _calls(self, asked: Asked) -> Mapping[str, float]:
        kind = self.measured.kinds[asked.kind]
        return kind.calls(self.traffic.warm, asked.blobs, asked.mib)


def billed(seconds: float) -> float:
    """An active period as it is billed."""
    tenths = math.ceil(round(seconds / ROUNDED_TO, 6))
    return max(LEAST_SECONDS, tenths * ROUNDED_TO)


def per_operation(bursts: Sequence[Burst]) -> Mapping[str, int]:
    """How many requests of each kind they hold."""
    counted: Counter[str] = Counter()
    for burst in bursts:
        for asked in burst:
            counted[asked.kind] += asked.times
    return counted
