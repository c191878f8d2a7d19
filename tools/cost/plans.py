"""The bill of each hosting plan, line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .prices import Price
from .traffic import HOURS, Minimum
from .usage import Model, Usage

_DAYS = HOURS / 24
_SECONDS = HOURS * 3600
_SYSTEM_GIB = 8  # the system's part of a virtual machine's disk
_SMALLEST_DISK = 32
_EP1_MEMORY = 3.5

MEMORIES = {512: 0.25, 2048: 1.0, 4096: 2.0}
"""Flex Consumption's instance sizes in MB, and their CPU cores (unconfirmed)."""

MACHINES = ("b1s", "b2s")

ACR = {"basic": 10, "standard": 100, "premium": 500}
"""Container Registry's tiers, and the included GiB of each."""


@dataclass(frozen=True)
class Line:
    """A quantity at a price."""

    price: Price
    quantity: float

    @property
    def amount(self) -> float:
        return self.price.amount(self.quantity)


@dataclass(frozen=True)
class Bill:
    """A month of one plan. ``by_request``: the amount by `Minimum.REQUEST`, where it matters."""

    name: str
    plan: str
    lines: Sequence[Line]
    by_request: float = 0

    @property
    def amount(self) -> float:
        return sum(line.amount for line in self.lines)


@dataclass(frozen=True)
class Calculator:
    """Computes the bills of a model with ``prices`` by name."""

    model: Model
    prices: Mapping[str, Price]

    def all_bills(self) -> Sequence[Bill]:
        """Return the bill of every plan."""
        return [
            *(self.flex(memory) for memory in MEMORIES),
            self.premium(),
            *(self.machine(size) for size in MACHINES),
            *(self.container_registry(tier) for tier in ACR),
        ]

    def flex(self, memory: int) -> Bill:
        """Return the bill of Functions Flex Consumption with instances of ``memory`` MB."""
        usage = self.model.usage()
        lines, lines_by_request = (
            [*self._flex(memory, usage, minimum), *self._common(usage)]
            for minimum in (None, Minimum.REQUEST)
        )
        by_request = sum(line.amount for line in lines_by_request)
        return Bill(f"flex-{memory}", f"Flex {memory:,} MB", lines, by_request)

    def _flex(self, memory: int, usage: Usage, minimum: Minimum | None) -> Iterator[Line]:
        cores, gb = MEMORIES[memory], memory / 1024
        gb_seconds = gb * self.model.instance_seconds(cores, minimum)
        of_timers, runs = gb * self.model.collection_seconds(cores), self.model.collection.runs
        if always_ready := self.model.assumptions.always_ready:
            yield self._line("flex_always_ready_baseline", always_ready * _SECONDS * gb)
            yield self._line("flex_always_ready_time", gb_seconds)
            yield self._line("flex_always_ready_executions", usage.requests)
            yield self._line("flex_execution_time", of_timers)
            yield self._line("flex_executions", runs)
        else:
            yield self._line("flex_execution_time", gb_seconds + of_timers)
            yield self._line("flex_executions", usage.requests + runs)

    def premium(self) -> Bill:
        """Return the bill of Functions Premium with one EP1 instance all month."""
        usage = self.model.usage()
        vcpu = self._line("premium_vcpu", HOURS)
        memory = self._line("premium_memory", HOURS * _EP1_MEMORY)
        return Bill("premium-ep1", "Premium EP1", [vcpu, memory, *self._common(usage)])

    def machine(self, size: str) -> Bill:
        """Return the bill of a virtual machine that stores layers on its own disk."""
        disk = _SMALLEST_DISK
        while disk < self.model.traffic.gib + _SYSTEM_GIB:
            disk *= 2
        return Bill(
            f"vm-{size}",
            f"VM {size.capitalize()}",
            [
                self._line(f"vm_{size}", HOURS),
                self._line("disk_gib", disk),
                self._line("public_ip", HOURS),
                self._egress(),
            ],
        )

    def container_registry(self, tier: str) -> Bill:
        """Return the bill of Azure Container Registry."""
        beyond = max(0.0, self.model.traffic.gib - ACR[tier])
        days, gib = self._line(f"acr_{tier}", _DAYS), self._line("acr_gib", beyond)
        return Bill(f"acr-{tier}", f"ACR {tier.capitalize()}", [days, gib, self._egress()])

    def _common(self, usage: Usage) -> Iterator[Line]:
        """Yield the lines that every plan of this registry has."""
        yield self._line("storage_gib", self.model.traffic.gib)
        for name in ("write", "list", "read", "other"):
            yield self._line(f"storage_{name}", usage.calls[name])
        yield self._line("log_gb", usage.log_gb)
        yield self._line("vault_read", self.model.assumptions.vault_reads if usage.requests else 0)
        yield self._egress()

    def _egress(self) -> Line:
        return self._line("egress_gb", self.model.usage().out_gb)

    def _line(self, name: str, quantity: float) -> Line:
        return Line(self.prices[name], quantity)


def without_collection(calculator: Calculator) -> Calculator:
    """Return a calculator of the same month in which no garbage is collected."""
    traffic = replace(calculator.model.traffic, objects=0)
    return replace(calculator, model=replace(calculator.model, traffic=traffic))


PLANS = (
    *(f"flex-{memory}" for memory in MEMORIES),
    "premium-ep1",
    *(f"vm-{size}" for size in MACHINES),
    *(f"acr-{tier}" for tier in ACR),
)
"""The names of all plans, in the order of the bills."""

MOST_PULLS = 10**9


def break_even(
    calculator: Calculator,
    ours: Callable[[Calculator], float],
    theirs: Callable[[Calculator], float],
) -> int | None:
    """Return the monthly pulls up to which our bill is not higher, with everything else equal.

    0 when it is higher without any pull; None when it is not higher up to `MOST_PULLS`.
    """

    def dearer(pulls: int) -> bool:
        traffic = replace(calculator.model.traffic, pulls=pulls)
        other = replace(calculator, model=replace(calculator.model, traffic=traffic))
        return ours(other) > theirs(other)

    low, high = 0, MOST_PULLS
    if dearer(low):
        return 0
    if not dearer(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if dearer(middle) else (middle, high)
    return low
