"""Bills as one JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from .plans import Bill, Calculator, without_collection


def to_json(calculator: Calculator, bills: Sequence[Bill]) -> Mapping[str, Any]:
    """Return traffic, assumptions, usage, the bill of each plan, and the prices in them."""
    without = {bill.name: bill.amount for bill in without_collection(calculator).all_bills()}
    used = {line.price.name: line.price for bill in bills for line in bill.lines}
    measured = calculator.model.measured
    return {
        "currency": "USD",
        "traffic": asdict(calculator.model.traffic),
        "assumptions": asdict(calculator.model.assumptions),
        "measured": {"date": measured.date, "machine": measured.machine},
        "usage": asdict(calculator.model.usage()),
        "plans": [_bill(bill, bill.amount - without[bill.name]) for bill in bills],
        "prices": {
            name: {
                "unit": price.unit,
                "per": price.per,
                "free": price.free,
                "tiers": [{"usd": tier.usd, "size": _finite(tier.size)} for tier in price.tiers],
                "what": price.what,
                "region": price.region,
                "date": price.date,
                "source": price.source,
                "confirmed": price.confirmed,
            }
            for name, price in used.items()
        },
    }


def _bill(bill: Bill, collection: float) -> Mapping[str, Any]:
    """Amounts are not rounded. ``by_request`` is null for plans that are not billed by time.

    ``collection`` is the part of the amount that the collection of garbage causes.
    """
    return {
        "plan": bill.name,
        "amount": bill.amount,
        "by_request": bill.by_request or None,
        "collection": collection,
        "lines": [
            {"price": line.price.name, "quantity": line.quantity, "amount": line.amount}
            for line in bill.lines
        ],
    }


def _finite(size: float) -> float | None:
    return None if size == float("inf") else size
