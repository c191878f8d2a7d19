"""Azure's prices, read from prices.toml, which has the meaning and source of each."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OWN = Path(__file__).with_name("prices.toml")
_TEXTS = ("unit", "what", "region", "date", "source")
_KNOWN = frozenset({*_TEXTS, "usd", "per", "free", "tiers", "confirmed"})


class PricesInvalid(Exception):
    """An invalid file of prices; the message names the file and the price."""


@dataclass(frozen=True)
class Tier:
    """A price per unit for the first ``size`` units; the last tier has no end."""

    usd: float
    size: float = float("inf")


@dataclass(frozen=True)
class Price:
    """A price for ``per`` units, in ``tiers``, beyond the first ``free`` units of a month."""

    name: str
    tiers: Sequence[Tier]
    unit: str
    what: str
    region: str
    date: str
    source: str
    confirmed: bool
    per: float = 1
    free: float = 0

    def billed(self, quantity: float) -> float:
        """Return how many of the units are not free."""
        return max(0.0, quantity - self.free)

    def terms(self, quantity: float) -> Iterator[tuple[float, float]]:
        """Yield billed units with their price, tier by tier."""
        left = self.billed(quantity)
        for tier in self.tiers:
            if units := min(left, tier.size):
                yield units, tier.usd
            left -= units

    def amount(self, quantity: float) -> float:
        """Return the USD for a quantity in a month."""
        return sum(units / self.per * usd for units, usd in self.terms(quantity))


def read_prices(file: Path | None = None) -> Mapping[str, Price]:
    """Read the built-in prices by name; those of ``file`` replace them.

    :raises PricesInvalid: when the file cannot be read or has an invalid price.
    """
    own = _read(_OWN)
    if file is None:
        return own
    theirs = _read(file)
    for name in theirs:
        if name not in own:
            raise PricesInvalid(f"{file}: unknown price {name!r}; known are {', '.join(own)}")
        if theirs[name].unit != own[name].unit:
            raise PricesInvalid(f"{file}: {name} must be per {own[name].unit}")
    return {**own, **theirs}


def _read(file: Path) -> dict[str, Price]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise PricesInvalid(f"{file}: {error.strerror}") from None
    except ValueError as error:  # of TOML, and of UTF-8
        raise PricesInvalid(f"{file}: {error}") from None
    return {name: _price(file, name, table) for name, table in document.items()}


def _price(file: Path, name: str, table: Any) -> Price:
    where = f"{file}: {name}"
    if not isinstance(table, dict):
        raise PricesInvalid(f"{where} must be a table")
    if unknown := sorted(table.keys() - _KNOWN):
        raise PricesInvalid(f"{where} has an unknown field {unknown[0]!r}")
    for field in _TEXTS:
        if not isinstance(table.get(field), str) or not table[field]:
            raise PricesInvalid(f"{where} must have a text {field!r}")
    confirmed = table.get("confirmed")
    if not isinstance(confirmed, bool):
        raise PricesInvalid(f"{where} must have a boolean 'confirmed'")
    per = _number(where, table, "per", 1)
    if not per:
        raise PricesInvalid(f"{where}: 'per' must be more than 0")
    texts = {field: table[field] for field in _TEXTS}
    free = _number(where, table, "free", 0)
    return Price(name, _tiers(where, table), **texts, confirmed=confirmed, per=per, free=free)


def _tiers(where: str, table: Mapping[str, Any]) -> Sequence[Tier]:
    if ("tiers" in table) == ("usd" in table):
        raise PricesInvalid(f"{where} must have either 'usd' or 'tiers'")
    if "usd" in table:
        return (Tier(_number(where, table, "usd")),)
    rows = table["tiers"]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise PricesInvalid(f"{where}: 'tiers' must be a list of tables")
    *sized, last = rows
    if "size" in last:
        raise PricesInvalid(f"{where}: the last tier must not have a 'size'")
    tiers = [Tier(_number(where, row, "usd"), _number(where, row, "size")) for row in sized]
    return (*tiers, Tier(_number(where, last, "usd")))


def _number(
    where: str, table: Mapping[str, Any], field: str, default: float | None = None
) -> float:
    number = table.get(field, default)
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < 1e12:
        raise PricesInvalid(f"{where} must have a number {field!r}, 0 or more")
    return float(number)
