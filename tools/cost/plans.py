"""The bill of each way to have a registry, line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .prices import Price
from .traffic import HOURS, Minimum
from .usage import Model, Usage

_DAYS = HOURS / 24
_SECONDS = HOURS * 3600
_SYSTEM_GIB = 8  # what a virtual machine's own system takes of its disk
_SMALLEST_DISK = 32
_EP1_MEMORY = 3.5

MEMORIES = {512: 0.25, 2048: 1.0, 4096: 2.0}
"""Flex Consumption's instance sizes in MB, and their CPU cores (the latter from memory, check)."""

MACHINES = ("b1s", "b2s")

ACR = {"basic": 10, "standard": 100, "premium": 500}
"""Container Registry's tiers, and the GiB that each includes."""


@dataclass(frozen=True)
class Line:
    """So many units of something at its price."""

    price: Price
    quantity: float

    @property
    def amount(self) -> float:
        return self.price.amount(self.quantity)


@dataclass(frozen=True)
class Bill:
    """A month of one plan. ``dearest``: the amount by `Minimum.REQUEST`, where it matters."""

    name: str
    plan: str
    lines: Sequence[Line]
    dearest: float = 0

    @property
    def amount(self) -> float:
        return sum(line.amount for line in self.lines)


@dataclass(frozen=True)
class Office:
    """Writes bills. ``prices`` are by name."""

    model: Model
    prices: Mapping[str, Price]

    def all_bills(self) -> Sequence[Bill]:
        """Of every plan, side by side."""
        return [
            *(self.flex(memory) for memory in MEMORIES),
            self.premium(),
            *(self.machine(size) for size in MACHINES),
            *(self.container_registry(tier) for tier in ACR),
        ]

    def flex(self, memory: int) -> Bill:
        """Functions Flex Consumption with instances of ``memory`` MB."""
        usage = self.model.usage()
        lines, dearest = (
            [*self._flex(memory, usage, minimum), *self._around(usage)]
            for minimum in (None, Minimum.REQUEST)
        )
        amount = sum(line.amount for line in dearest)
        return Bill(f"flex-{memory}", f"Flex {memory:,} MB", lines, amount)

    def _flex(self, memory: int, usage: Usage, minimum: Minimum | None) -> Iterator[Line]:
        seconds = self.model.instance_seconds(MEMORIES[memory], minimum)
        gb_seconds = seconds * memory / 1024
        if always_ready := self.model.assumptions.always_ready:
            baseline = always_ready * _SECONDS * memory / 1024
            yield self._line("flex_always_ready_baseline", baseline)
            yield self._line("flex_always_ready_time", gb_seconds)
            yield self._line("flex_always_ready_executions", usage.requests)
        else:
            yield self._line("flex_execution_time", gb_seconds)
            yield self._line("flex_executions", usage.requests)

    def premium(self) -> Bill:
        """Functions Premium, one EP1 instance all month."""
        usage = self.model.usage()
        vcpu = self._line("premium_vcpu", HOURS)
        memory = self._line("premium_memory", HOURS * _EP1_MEMORY)
        return Bill("premium-ep1", "Premium EP1", [vcpu, memory, *self._around(usage)])

    def machine(self, size: str) -> Bill:
        """A registry on a virtual machine, with its layers on the machine's disk."""
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
        """Azure Container Registry."""
        beyond = max(0.0, self.model.traffic.gib - ACR[tier])
        days, gib = self._line(f"acr_{tier}", _DAYS), self._line("acr_gib", beyond)
        return Bill(f"acr-{tier}", f"ACR {tier.capitalize()}", [days, gib, self._egress()])

    def _around(self, usage: Usage) -> Iterator[Line]:
        """What this registry uses in every plan."""
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


PLANS = (
    *(f"flex-{memory}" for memory in MEMORIES),
    "premium-ep1",
    *(f"vm-{size}" for size in MACHINES),
    *(f"acr-{tier}" for tier in ACR),
)
"""The names of all, in the order of their bills."""

MOST_PULLS = 10**9


def break_even(
    office: Office, ours: Callable[[Office], float], theirs: Callable[[Office], float]
) -> int | None:
    """The pulls a month up to which our bill, in USD, is not higher, all else as it is.

    0 where it is higher without any pull; None where it is not up to `MOST_PULLS`.
    """

    def dearer(pulls: int) -> bool:
        traffic = replace(office.model.traffic, pulls=pulls)
        other = replace(office, model=replace(office.model, traffic=traffic))
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
