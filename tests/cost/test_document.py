"""docs/cost.md shows what its commands print; docs/cost-model.md has every option and price.

`python -m tests.cost.test_document` updates the output in the document.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex

import pytest

from tests.support.host import PROJECT
from tools.cost.__main__ import main
from tools.cost.prices import read_prices
from tools.cost.traffic import Assumptions, Traffic

FILE = PROJECT / "docs/cost.md"
MODEL = (PROJECT / "docs/cost-model.md").read_text()
_PROMPT = "$ python -m tools.cost"
_BLOCK = re.compile(rf"```console\n{re.escape(_PROMPT)}(.*)\n((?:.*\n)*?)```\n")


def output(arguments: str) -> str:
    """Return what the command prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main(shlex.split(arguments)) == 0
    return printed.getvalue()


def update() -> None:
    """Replace the output of the commands in the document."""

    def block(match: re.Match[str]) -> str:
        return f"```console\n{_PROMPT}{match[1]}\n{output(match[1])}```\n"

    FILE.write_text(_BLOCK.sub(block, FILE.read_text()))


@pytest.mark.parametrize("arguments, shown", _BLOCK.findall(FILE.read_text()))
def test_a_command_prints_what_the_document_shows(arguments: str, shown: str) -> None:
    assert output(arguments) == shown


def test_every_option_is_in_a_table_with_its_default() -> None:
    rows = dict(re.findall(r"(?m)^\| `--([a-z-]+)` \|([^|]*)\|", MODEL))
    switches = {"streamed": "", "login": ""}
    derived = {"new_layers": "2", "missing_layers": "all"}
    values = {**vars(Traffic()), **vars(Assumptions())}
    expected = {name: f"{value:g}" for name, value in values.items() if name != "minimum"}
    expected |= {**switches, **derived, "minimum": str(Assumptions().minimum)}
    expected["no_login"] = expected.pop("login")
    assert {name.replace("-", "_"): text.strip() for name, text in rows.items()} == expected


def test_every_price_is_listed_with_its_date_and_confirmation() -> None:
    rows = re.findall(r"(?m)^\| `([a-z0-9_]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|", MODEL)
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


if __name__ == "__main__":
    update()
