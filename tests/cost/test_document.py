"""docs/cost.md shows what the command prints, names its options, and the prices as they are."""

from __future__ import annotations

import re

import pytest

from tools.cost.prices import read_prices
from tools.cost.traffic import Assumptions, Traffic

from .document import FILE, Shown, shown

TEXT = FILE.read_text()


def test_the_three_worked_examples_are_there() -> None:
    """Nothing at all, a small team, and a million pulls."""
    pulls = [re.findall(r"--pulls (\d+)", one.command) for one in shown()]
    assert [] in pulls
    assert ["50000"] in pulls
    assert ["1000000"] in pulls


@pytest.mark.parametrize("one", shown(), ids=lambda one: one.command)
def test_a_command_prints_what_the_document_shows(one: Shown) -> None:
    """When it does not any more, `python -m tests.cost.document` puts it right."""
    assert one.prints() == one.output


def test_every_option_is_in_a_table_with_what_it_is_unless_told_otherwise() -> None:
    rows = dict(re.findall(r"(?m)^\| `--([a-z-]+)` \|([^|]*)\|", TEXT))
    switches = {"streamed": "", "login": ""}
    follow = {"new_layers": "2", "missing_layers": "all"}
    values = {**vars(Traffic()), **vars(Assumptions())}
    expected = {name: f"{value:g}" for name, value in values.items() if name != "minimum"}
    expected |= {**switches, **follow, "minimum": str(Assumptions().minimum)}
    expected["no_login"] = expected.pop("login")
    assert {name.replace("-", "_"): text.strip() for name, text in rows.items()} == expected


def test_every_price_is_listed_with_what_is_known_of_it() -> None:
    """A price that nobody has confirmed says so there."""
    rows = re.findall(r"(?m)^\| `([a-z0-9_]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|", TEXT)
    listed = {name: (usd.strip(), date.strip(), sure.strip()) for name, usd, date, sure in rows}
    expected = {
        name: (
            ", ".join(f"{tier.usd:.8f}".rstrip("0").rstrip(".") for tier in price.tiers),
            price.date,
            "yes" if price.confirmed else "no",
        )
        for name, price in read_prices().items()
    }
    assert listed == expected
