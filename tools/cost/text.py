"""Bills as text: a table of plans, the arithmetic of each, and break-even points."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence

from .collection import Collection
from .plans import Bill, Calculator, Line, break_even, without_collection
from .traffic import Traffic, pull_of, push_of
from .usage import Usage, per_operation

_COLUMNS = {
    "compute": ("flex_", "premium_", "vm_", "acr_basic", "acr_standard", "acr_premium"),
    "space": ("storage_gib", "disk_gib", "acr_gib"),
    "calls": ("storage_write", "storage_list", "storage_read", "storage_other"),
    "logs": ("log_gb", "vault_read"),
    "network": ("egress_gb", "public_ip"),
}
_COMPARED_MEMORIES = (512, 2048)
_BY_REQUEST = ", by request"


def render(calculator: Calculator, bills: Sequence[Bill], explain: Container[str] = ()) -> str:
    """Return the text; ``explain`` names the plans whose arithmetic is shown."""
    parts = [_inputs(calculator), _table(bills)]
    parts += ["\n".join(_arithmetic(bill)) for bill in bills if bill.name in explain]
    parts += ["\n".join(_break_evens(calculator)), _footnotes(calculator, bills)]
    return "\n\n".join(part for part in parts if part)


def _inputs(calculator: Calculator) -> str:
    traffic, usage = calculator.model.traffic, calculator.model.usage()
    collection = calculator.model.collection
    return "\n".join([*_traffic(traffic), *_collection(collection), *_usage(usage, traffic)])


def _traffic(traffic: Traffic) -> Iterator[str]:
    yield (
        f"{traffic.pulls:,} pulls, {traffic.pushes:,} pushes and {traffic.gib:,g} GiB stored "
        f"in a month"
    )
    if not traffic.pulls and not traffic.pushes:
        return
    how = "streamed by the registry" if traffic.streamed else "fetched from storage"
    yield (
        f"images of {_many(traffic.layers, 'layer')} of {traffic.layer_mib:g} MiB: a push sends "
        f"{traffic.new_layers}, a pull fetches {traffic.missing_layers}, {how}"
    )
    yield (
        f"{traffic.warm:.0%} of the requests meet a warm cache; "
        f"{traffic.outside:.0%} of the pulled bytes leave the region"
    )


def _collection(collection: Collection) -> Iterator[str]:
    """Yield what collections of garbage do, if there are any."""
    if not collection.runs:
        return
    share = collection.assumptions.garbage
    calls = sum(collection.calls.values()) / collection.runs
    yield (
        f"{collection.traffic.objects:,} objects, among which garbage is collected "
        f"{collection.runs} times, each time {share:.3g} of them"
    )
    yield (
        f"a collection: {calls:,.0f} storage calls, {collection.seconds_of_a_run(1):,.0f} s on a "
        f"core, of which CPU: {collection.cpu_of_a_run:,.0f} s"
    )


def _usage(usage: Usage, traffic: Traffic) -> Iterator[str]:
    for what, times, bursts in (
        ("pull", traffic.pulls, pull_of(traffic)),
        ("push", traffic.pushes, push_of(traffic)),
    ):
        if times:
            requests = sum(per_operation(bursts).values())
            yield f"a {what}: {requests} requests in {_many(len(bursts), 'burst')}"
    if usage.requests:
        yield f"requests: {usage.requests:,.0f}; CPU: {usage.cpu_seconds:,.0f} s"
    if calls := ", ".join(f"{count:,.0f} {name}" for name, count in usage.calls.items() if count):
        yield f"storage calls: {calls}"


def _table(bills: Sequence[Bill]) -> str:
    names = [*_COLUMNS, "USD a month"]
    lines = [f"{'':16}" + "".join(f"{name:>12}" for name in names)]
    for bill in bills:
        amounts = [_column(bill, prefixes) for prefixes in _COLUMNS.values()]
        cells = "".join(f"{amount:>12,.2f}" for amount in (*amounts, bill.amount))
        mark = " *" if _unconfirmed(bill) else ""
        lines.append(f"{bill.plan:16}{cells}{mark}")
    return "\n".join(lines)


def _column(bill: Bill, prefixes: tuple[str, ...]) -> float:
    return sum(line.amount for line in bill.lines if line.price.name.startswith(prefixes))


def _arithmetic(bill: Bill) -> Iterator[str]:
    """Lines without a quantity are left out."""
    yield bill.plan
    for line in bill.lines:
        if line.quantity:
            yield f"  {line.price.name:28} {_product(line)} = {line.amount:,.2f}"
    yield f"  {'total':28} {bill.amount:,.2f}"


def _product(line: Line) -> str:
    """Return quantity times price, as a formula."""
    price = line.price
    quantity = f"{_plain(line.quantity)} {price.unit}"
    if not price.billed(line.quantity):
        return f"{quantity}, all free"
    if price.free:
        quantity = f"({quantity} - {_plain(price.free)} free)"
    per = f" / {_plain(price.per)}" if price.per != 1 else ""
    terms = list(price.terms(line.quantity))
    if len(terms) == 1:
        return f"{quantity}{per} x {_plain(terms[0][1])}"
    sums = " + ".join(f"{_plain(units)} x {_plain(usd)}" for units, usd in terms)
    return f"{quantity}{per}: {sums}"


def _plain(number: float) -> str:
    """Format a number without an exponent and trailing zeros."""
    digits = f"{number:,.2f}" if number >= 1 else f"{number:.8f}"
    return digits.rstrip("0").rstrip(".")


def _break_evens(calculator: Calculator) -> Iterator[str]:
    """Yield the break-even table, if there is traffic to compare."""
    if not calculator.model.traffic.pulls and not calculator.model.traffic.pushes:
        return
    yield "It is not dearer than the alternative up to this many pulls a month:"
    compared: Mapping[str, Callable[[Calculator], float]] = {
        "ACR Basic": lambda other: other.container_registry("basic").amount,
        "ACR Standard": lambda other: other.container_registry("standard").amount,
        "VM B1s": lambda other: other.machine("b1s").amount,
    }
    yield f"{'':34}" + "".join(f"{name:>14}" for name in compared)
    for memory in _COMPARED_MEMORIES:
        ours: Mapping[str, Callable[[Calculator], float]] = {
            "": lambda other, memory=memory: other.flex(memory).amount,  # type: ignore[misc]
            _BY_REQUEST: lambda other, memory=memory: other.flex(memory).by_request,  # type: ignore[misc]
        }
        for reading, amount in ours.items():
            found = [break_even(calculator, amount, theirs) for theirs in compared.values()]
            cells = ["always" if pulls is None else f"{pulls:,}" for pulls in found]
            yield f"Flex {memory:,} MB{reading}".ljust(34) + "".join(f"{c:>14}" for c in cells)


def _footnotes(calculator: Calculator, bills: Sequence[Bill]) -> str:
    notes = list(_costs_of_collection(calculator, bills))
    if calculator.model.traffic.pulls or calculator.model.traffic.pushes:
        by_request = [bill for bill in bills if bill.by_request]
        notes += [
            "Flex bills at least one second for each active period of an instance. If each request",
            "were a period of its own, the month would cost (USD)",
            ", ".join(f"{bill.plan}: {bill.by_request:,.2f}" for bill in by_request) + ".",
        ]
    if names := sorted({name for bill in bills for name in _unconfirmed(bill)}):
        notes.append(f"* unconfirmed prices: {', '.join(names)}")
    return "\n".join(notes)


def _costs_of_collection(calculator: Calculator, bills: Sequence[Bill]) -> Iterator[str]:
    """Yield by how much collections make the month dearer, if there are any."""
    if not calculator.model.collection.runs:
        return
    without = {bill.name: bill.amount for bill in without_collection(calculator).all_bills()}
    amounts = [f"{bill.plan}: {bill.amount - without[bill.name]:,.2f}" for bill in bills[:4]]
    yield "Without the collection of garbage the month would cost less (USD) by"
    yield f"{', '.join(amounts)}."


def _unconfirmed(bill: Bill) -> list[str]:
    return [line.price.name for line in bill.lines if line.amount and not line.price.confirmed]


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
