"""`python -m tools.cost` on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.host import PROJECT
from tools.cost.__main__ import main
from tools.cost.plans import PLANS

OWN_PRICES = PROJECT / "tools/cost/prices.toml"
B2S = """
[vm_b2s]
usd = 1.0
unit = "hours"
what = "virtual machine B2s"
region = "West Europe"
date = "2026-12-01"
source = "the price list"
confirmed = true
"""


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["--json", *arguments]) == 0
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return printed


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command with invalid arguments; return its one-line message."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_the_json_has_the_sum_of_each_plans_lines(capsys: pytest.CaptureFixture[str]) -> None:
    printed = document(capsys, "--pulls", "300000", "--pushes", "2000", "--gib", "50")
    assert [plan["plan"] for plan in printed["plans"]] == list(PLANS)
    for plan in printed["plans"]:
        assert plan["amount"] == pytest.approx(sum(line["amount"] for line in plan["lines"]))
        assert {line["price"] for line in plan["lines"]} <= printed["prices"].keys()
    assert printed["traffic"]["pulls"] == 300_000
    assert all(price["date"] and price["source"] for price in printed["prices"].values())


def test_the_table_and_the_json_agree(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--pulls", "1000000", "--gib", "50"]
    printed = document(capsys, *arguments)
    assert main(arguments) == 0
    rows = [row.split() for row in capsys.readouterr().out.splitlines() if row.startswith("Flex ")]
    totals = [row[-1] for row in rows if len(row) == 3 + 6]
    expected = [f"{plan['amount']:,.2f}" for plan in printed["plans"][:3]]
    assert totals == expected


def test_the_arithmetic_of_the_selected_plans_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--gib", "50", "--explain", "flex-512,acr-basic"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  storage_gib                  50 GiB-month x 0.0208 = 1.04" in lines
    assert "  acr_gib                      40 GiB-month x 0.1 = 4.00" in lines
    assert not any("premium_vcpu" in line for line in lines)
    assert main(["--gib", "50", "--explain"]) == 0
    assert "premium_vcpu" in capsys.readouterr().out


def test_prices_in_a_file_replace_the_built_in_ones(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Prices that are not in the file stay."""
    file = tmp_path / "prices.toml"
    file.write_text(B2S)
    plans = {plan["plan"]: plan for plan in document(capsys, "--prices", str(file))["plans"]}
    assert plans["vm-b2s"]["lines"][0]["amount"] == 730
    assert plans["vm-b1s"]["lines"][0]["amount"] == pytest.approx(730 * 0.0104)


def test_an_unconfirmed_price_is_marked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert "* unconfirmed prices: vm_b2s" in printed
    file = tmp_path / "prices.toml"
    file.write_text(B2S)
    assert main(["--prices", str(file)]) == 0
    assert "*" not in capsys.readouterr().out


def test_the_built_in_file_may_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    """So that it can be copied and changed."""
    assert document(capsys, "--prices", str(OWN_PRICES)) == document(capsys)


@pytest.mark.parametrize(
    "change, complaint",
    [
        (("[vm_b2s]", "[vm_b3s]"), "unknown price 'vm_b3s'"),
        (('"hours"', '"days"'), "vm_b2s must be per hours"),
        (("usd = 1.0", "usd = -1.0"), "vm_b2s must have a number 'usd', 0 or more"),
        (("usd = 1.0", 'usd = "1"'), "vm_b2s must have a number 'usd', 0 or more"),
        (("usd = 1.0", "usd = 1.0\nper = 0"), "vm_b2s: 'per' must be more than 0"),
        (("usd = 1.0", ""), "vm_b2s must have either 'usd' or 'tiers'"),
        (("usd = 1.0", "tiers = []"), "vm_b2s: 'tiers' must be a list of tables"),
        (
            ("usd = 1.0", "tiers = [{ usd = 1, size = 1 }]"),
            "vm_b2s: the last tier must not have a 'size'",
        ),
        (("usd = 1.0", "usd = 1.0\nprice = 2"), "vm_b2s has an unknown field 'price'"),
        (('source = "the price list"', ""), "vm_b2s must have a text 'source'"),
        (("confirmed = true", ""), "vm_b2s must have a boolean 'confirmed'"),
        (("[vm_b2s]", "vm_b2s = 1\n[x]"), "vm_b2s must be a table"),
        (("usd = 1.0", "usd = "), "Invalid value"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_invalid_prices_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, change: tuple[str, str], complaint: str
) -> None:
    """The message names the file and the price."""
    file = tmp_path / "prices.toml"
    file.write_text(B2S.replace(*change))
    assert f"cost: {file}: {complaint}" in refusal(capsys, "--prices", str(file))


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["--new-layers", "9"], "--new-layers 9 is more than --layers 8"),
        (["--layers", "2", "--missing-layers", "3"], "--missing-layers 3 is more than --layers 2"),
        (["--explain", "flex"], "--explain 'flex': unknown plan; known are flex-512, flex-2048"),
        (["--prices", "nowhere.toml"], "nowhere.toml: No such file or directory"),
    ],
)
def test_contradictory_options_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    assert refusal(capsys, *arguments).startswith(f"cost: {complaint}")


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["--pulls", "many"], "argument --pulls: 'many' is not a number from 0"),
        (["--gib", "-1"], "argument --gib: '-1' is not a number from 0"),
        (["--gib", "nan"], "argument --gib: 'nan' is not a number"),
        (["--warm", "1.5"], "argument --warm: '1.5' is not a number from 0 to 1"),
        (["--layer-mib", "300"], "argument --layer-mib: '300' is not a number from 0 to 256"),
        (["--busy-hours", "0"], "argument --busy-hours: '0' is not a number from 1 to 730"),
        (["--manifest-objects", "0"], "argument --manifest-objects: '0' is not a number from 1"),
        (["--garbage", "2"], "argument --garbage: '2' is not a number from 0 to 1"),
        (["--collections", "0"], "argument --collections: '0' is not a number from 1 to 1000"),
        (["--concurrency", "0"], "argument --concurrency: '0' is not a number from 1 to 1000"),
        (["--minimum", "none"], "argument --minimum: "),
        (["--pull", "1"], "unrecognized arguments: --pull"),
    ],
)
def test_an_invalid_number_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_an_image_with_one_layer_has_one_layer_to_send_and_fetch(
    capsys: pytest.CaptureFixture[str],
) -> None:
    traffic = document(capsys, "--layers", "1")["traffic"]
    assert (traffic["new_layers"], traffic["missing_layers"]) == (1, 1)


def test_the_part_of_the_collection_is_shown_and_is_in_the_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--objects", "1000000", "--pulls", "200000"]
    with_it = {plan["plan"]: plan for plan in document(capsys, *arguments)["plans"]}
    without = {plan["plan"]: plan for plan in document(capsys, *arguments[2:])["plans"]}
    for name, plan in with_it.items():
        assert plan["collection"] == pytest.approx(plan["amount"] - without[name]["amount"])
        assert without[name]["collection"] == 0
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "1,000,000 objects, among which garbage is collected 30 times" in text
    assert f"Flex 2,048 MB: {with_it['flex-2048']['collection']:,.2f}," in text
    assert main(arguments[2:]) == 0
    assert "collection" not in capsys.readouterr().out
