"""Bills: free grants, included storage, tiers, and break-even points."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tools.cost.measured import read_measured
from tools.cost.plans import MEMORIES, PLANS, Bill, Calculator, break_even
from tools.cost.prices import Price, Tier, read_prices
from tools.cost.traffic import Assumptions, Minimum, Traffic
from tools.cost.usage import Model

PRICES = read_prices()


def calculator(traffic: Traffic, **assumptions: object) -> Calculator:
    assumed = replace(Assumptions(), **assumptions)  # type: ignore[arg-type]
    return Calculator(Model(traffic, assumed, read_measured()), PRICES)


def amounts(bill: Bill) -> dict[str, float]:
    """Return the lines that are not free."""
    return {line.price.name: line.amount for line in bill.lines if line.amount}


def price(**fields: object) -> Price:
    plain = Price("x", (Tier(2.0),), "", "", "", "", "", confirmed=True)
    return replace(plain, **fields)  # type: ignore[arg-type]


def test_free_units_are_not_billed() -> None:
    assert price(per=10, free=100).amount(150) == 10
    assert price(per=10, free=100).amount(100) == 0


def test_a_tier_is_filled_before_the_next_begins() -> None:
    tiers = (Tier(0.5, 100), Tier(0.1, 50), Tier(0.01))
    assert price(tiers=tiers, free=10).amount(110) == 50
    assert price(tiers=tiers, free=10).amount(1160) == 50 + 5 + 10


@pytest.mark.parametrize("memory", MEMORIES)
def test_idle_costs_the_storage_alone(memory: int) -> None:
    bill = calculator(Traffic(gib=50)).flex(memory)
    assert amounts(bill) == {"storage_gib": pytest.approx(50 * 0.0208)}


def test_always_ready_instances_cost_something_when_idle() -> None:
    bill = calculator(Traffic(gib=0), always_ready=2).flex(2048)
    assert amounts(bill) == {
        "flex_always_ready_baseline": pytest.approx(2 * 2 * 730 * 3600 * 0.000004)
    }


def test_a_little_traffic_stays_within_the_free_grants() -> None:
    bill = calculator(Traffic(pulls=1000, pushes=100)).flex(2048)
    assert not {"flex_execution_time", "flex_executions", "log_gb"} & amounts(bill).keys()


def test_execution_time_is_memory_times_seconds() -> None:
    traffic = Traffic(pulls=100_000, missing_layers=3)
    seconds = calculator(traffic).model.instance_seconds(MEMORIES[2048])
    [line] = [one for one in calculator(traffic).flex(2048).lines if one.price.unit == "GB-s"]
    assert line.quantity == 2 * seconds
    assert line.amount == pytest.approx((2 * seconds - 100_000) * 0.000026)


def test_the_amount_by_request_is_that_of_the_option() -> None:
    traffic = Traffic(pulls=100_000)
    chosen = calculator(traffic, minimum=Minimum.REQUEST).flex(2048)
    assert calculator(traffic).flex(2048).by_request == pytest.approx(chosen.amount)
    assert chosen.amount > calculator(traffic).flex(2048).amount


@pytest.mark.parametrize(
    "tier, gib, beyond", [("basic", 10, 0), ("basic", 50, 40), ("standard", 120, 20)]
)
def test_container_registry_includes_some_storage(tier: str, gib: float, beyond: float) -> None:
    found = amounts(calculator(Traffic(gib=gib)).container_registry(tier))
    assert found.get("acr_gib", 0) == pytest.approx(beyond * 0.10)
    assert found[f"acr_{tier}"] == pytest.approx(730 / 24 * PRICES[f"acr_{tier}"].tiers[0].usd)


@pytest.mark.parametrize("gib, disk", [(0, 32), (24, 32), (25, 64), (1000, 1024), (1017, 2048)])
def test_a_machine_has_a_disk_that_fits_the_layers(gib: float, disk: int) -> None:
    found = amounts(calculator(Traffic(gib=gib)).machine("b1s"))
    assert found["disk_gib"] == pytest.approx(disk * 0.075)


def test_bytes_that_leave_the_region_cost_the_same_in_every_plan() -> None:
    bills = calculator(Traffic(pulls=10_000, outside=1)).all_bills()
    [egress] = {amounts(bill)["egress_gb"] for bill in bills}
    assert egress > 0


def test_a_redirect_saves_execution_time_and_costs_a_read() -> None:
    redirected, streamed = (
        calculator(Traffic(pulls=100_000, missing_layers=3, layer_mib=100, streamed=streamed)).model
        for streamed in (False, True)
    )
    assert redirected.instance_seconds(1) < streamed.instance_seconds(1) / 2
    for model, read_by_clients in ((redirected, 100_000 * 3), (streamed, 0)):
        own = replace(model, traffic=replace(model.traffic, warm=1)).usage().calls["read"]
        ranges = 100_000 * 3 * 13
        manifests, configs = 100_000, 100_000
        assert own == manifests + configs + (read_by_clients or ranges)


def test_every_plan_has_its_name() -> None:
    assert tuple(bill.name for bill in calculator(Traffic()).all_bills()) == PLANS


def test_at_the_break_even_the_bills_are_equal() -> None:
    here = calculator(Traffic(pushes=1000, gib=50))
    pulls = break_even(
        here,
        lambda other: other.flex(512).amount,
        lambda other: other.container_registry("basic").amount,
    )
    assert pulls
    ours, theirs = (
        [
            calculator(Traffic(pulls=number, pushes=1000, gib=50)).flex(512).amount,
            calculator(Traffic(pulls=number, pushes=1000, gib=50))
            .container_registry("basic")
            .amount,
        ]
        for number in (pulls, pulls + 1)
    )
    assert ours[0] <= ours[1]
    assert theirs[0] > theirs[1]


def test_there_may_be_no_break_even() -> None:
    here = calculator(Traffic(gib=50))
    assert break_even(here, lambda _: 1.0, lambda _: 2.0) is None
    assert break_even(here, lambda _: 2.0, lambda _: 1.0) == 0
