"""The cost of collecting garbage, computed by hand from simple figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tools.cost.measured import CollectionCost, read_measured
from tools.cost.plans import Bill, Calculator, without_collection
from tools.cost.prices import read_prices
from tools.cost.traffic import Assumptions, Traffic
from tools.cost.usage import Model

COST = CollectionCost(
    run=["put", "list"],
    listed=1.5,
    each_manifest=["get"],
    each_garbage=["set_metadata"],
    each_batch=["delete_batch"],
    cpu_ms_object=0.05,
    cpu_ms_garbage=1,
)
OBJECTS = 1_000_000


def calculator(traffic: Traffic, **assumptions: object) -> Calculator:
    assumed = {"manifest_objects": 20, "garbage": 0.01, "list_ms": 500, "storage_ms": 8}
    measured = replace(read_measured(), collection=COST)
    values = replace(Assumptions(), **{**assumed, **assumptions})  # type: ignore[arg-type]
    model = Model(traffic, values, measured)
    return Calculator(model, read_prices())


def amounts(bill: Bill) -> dict[str, float]:
    """Return the quantities of the lines that have one."""
    return {line.price.name: line.quantity for line in bill.lines if line.quantity}


def test_a_run_lists_reads_manifests_and_condemns_and_deletes() -> None:
    collection = calculator(Traffic(objects=OBJECTS), collections=1).model.collection
    assert collection.calls == {
        "put": 1,
        "list": 1 + 300,
        "get": 50_000,
        "set_metadata": 10_000,
        "delete_batch": 40,  # 10,000 by 256
    }


def test_pages_follow_each_other_and_other_calls_are_made_sixteen_at_a_time() -> None:
    collection = calculator(Traffic(objects=OBJECTS)).model.collection
    assert collection.cpu_of_a_run == pytest.approx(50 + 10)
    waiting = 301 * 0.5 + (1 + 50_000 + 10_000 + 40) * 0.008 / 16
    assert collection.seconds_of_a_run(1) == pytest.approx(waiting + 60)
    assert collection.seconds_of_a_run(0.25) == pytest.approx(waiting + 240)


def test_all_runs_of_the_month_are_on_the_bill() -> None:
    made = calculator(Traffic(objects=OBJECTS), collections=30)
    seconds = made.model.collection.seconds_of_a_run(1)
    assert amounts(made.flex(2048)) == {
        "flex_execution_time": pytest.approx(2 * 30 * seconds, rel=1e-3),
        "flex_executions": 30,
        "storage_write": 30,
        "storage_list": 30 * 301,
        "storage_read": 30 * 50_000,
        "storage_other": 30 * (10_000 + 40),
    }


def test_a_small_collection_is_billed_for_a_second() -> None:
    made = calculator(Traffic(objects=1), collections=3, list_ms=1, storage_ms=1)
    assert amounts(made.flex(512))["flex_execution_time"] == pytest.approx(3 / 2)


def test_timers_have_instances_of_their_own_beside_those_that_are_always_ready() -> None:
    made = calculator(Traffic(objects=OBJECTS), always_ready=1)
    quantities = amounts(made.flex(2048))
    assert quantities["flex_execution_time"] > 0
    assert quantities["flex_executions"] == 30
    assert "flex_always_ready_time" not in quantities


def test_without_objects_nothing_is_collected() -> None:
    assert amounts(calculator(Traffic()).flex(512)) == {}
    assert amounts(without_collection(calculator(Traffic(objects=OBJECTS))).flex(512)) == {}


def test_a_machine_and_container_registry_do_not_pay_for_ours() -> None:
    made = calculator(Traffic(objects=OBJECTS))
    for bill in (made.machine("b1s"), made.container_registry("basic")):
        assert [other for other in without_collection(made).all_bills() if other == bill]
