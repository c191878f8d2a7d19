"""The usage of a month, computed by hand from simple figures."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tools.cost.measured import Kind, Measured, Temperatures, read_measured
from tools.cost.traffic import (
    Assumptions,
    Minimum,
    Requests,
    Traffic,
    pull_of,
    push_of,
)
from tools.cost.usage import Model, billed, per_operation

MIB = 2**20


def kind(**fields: object) -> Kind:
    """Return a kind of request that costs nothing but these fields."""
    nothing = Kind("", (), (), 1, (), (), Temperatures(0, 0), 0.0, 0)
    return replace(nothing, **fields)  # type: ignore[arg-type] # the fields are Kind's own


def model(
    kinds: dict[str, Kind],
    traffic: Traffic = Traffic(),  # noqa: B008 - a frozen value
    **assumptions: object,
) -> Model:
    """Return a model in which only these kinds cost anything."""
    free = dict.fromkeys(read_measured().kinds, kind())
    assumed = Assumptions(host_ms=0, storage_ms=0, log_bytes=0)
    measured = Measured({**free, **kinds}, read_measured().classes, "", "")
    return Model(traffic, replace(assumed, **assumptions), measured)  # type: ignore[arg-type]


def test_a_pull_fetches_three_layers_at_once_and_others_one_by_one() -> None:
    bursts = pull_of(Traffic(layers=8, missing_layers=5))
    assert [sum(requests.times for requests in burst) for burst in bursts] == [5 + 3, 1, 1]
    assert per_operation(bursts)["get_blob"] == 5


def test_a_pull_without_missing_layers_fetches_the_config_only() -> None:
    counted = per_operation(pull_of(Traffic(missing_layers=0)))
    assert (counted["get_small_blob"], counted.get("get_blob", 0)) == (1, 0)


def test_streamed_layers_keep_the_instance_busy_in_one_burst() -> None:
    [burst] = pull_of(Traffic(missing_layers=5, streamed=True))
    assert per_operation([burst])["stream_blob"] == 5
    assert "get_blob" not in per_operation([burst])


@pytest.mark.parametrize("mib, size, other", [(8, "small", "large"), (8.1, "large", "small")])
def test_a_push_sends_new_layers_by_size_and_checks_the_others(
    mib: float, size: str, other: str
) -> None:
    """The config is always small."""
    counted = per_operation(push_of(Traffic(layers=8, new_layers=3, layer_mib=mib)))
    small = 1 + (3 if size == "small" else 0)
    assert counted["patch_small"] == counted["close_small"] == small
    assert counted.get(f"patch_{other}", 0) == (0 if other == "large" else 1)
    assert counted["head_blob"] == 5 + 3 + 1


def test_without_a_login_no_token_is_requested() -> None:
    for bursts in (pull_of(Traffic(login=False)), push_of(Traffic(login=False))):
        assert "token" not in per_operation(bursts)


def test_calls_are_averaged_over_cold_and_warm_and_classified() -> None:
    kinds = {"head_manifest_by_tag": kind(cold=("get", "head"), warm=("get",))}
    usage = model(kinds, Traffic(pulls=100, missing_layers=1, warm=0.75)).usage()
    client_itself = 100  # fetches the layer from storage after a redirect
    assert usage.calls["read"] == 100 + client_itself
    assert usage.calls["other"] == pytest.approx(25)


def test_a_body_takes_a_call_for_each_started_block() -> None:
    large = kind(cold=("commit",), warm=("commit",), each=("stage",), each_bytes=8 * MIB)
    traffic = Traffic(pushes=10, new_layers=2, layer_mib=20)
    usage = model({"patch_large": large}, traffic).usage()
    assert usage.calls["write"] == 10 * 2 * (3 + 1)


def test_a_manifest_takes_a_call_for_each_blob_that_is_not_cached() -> None:
    kinds = {"put_manifest": kind(each_blob=("head",))}
    usage = model(kinds, Traffic(pushes=10, layers=8, warm=0.5)).usage()
    assert usage.calls["other"] == 10 * 9 * 0.5


def test_a_request_takes_cpu_time_calls_and_the_transfer_of_its_body() -> None:
    """CPU time is divided by the cores; calls for the body run in parallel."""
    one = kind(
        cold=("get",),
        warm=("get",),
        each=("stage",),
        each_bytes=MIB,
        cpu_ms=Temperatures(10, 10),
        cpu_mib=2.0,
    )
    built = model({"x": one}, host_ms=5, storage_ms=8, client_mbit=8 * 1.048576)
    assert built.seconds(Requests("x"), cores=0.25) == pytest.approx(0.005 + 0.008 + 0.040)
    assert built.seconds(Requests("x", mib=3), cores=1) == pytest.approx(0.005 + 0.008 + 0.010 + 3)
    fast = model({"x": one}, client_mbit=1e6)
    assert fast.seconds(Requests("x", mib=3), cores=0.25) == pytest.approx(0.040 + 3 * 0.008)


@pytest.mark.parametrize(
    "seconds, charged", [(0.0, 1), (0.2, 1), (1.0, 1), (1.01, 1.1), (1.1, 1.1), (2.34, 2.4)]
)
def test_an_active_period_is_billed_for_a_second_and_then_in_tenths(
    seconds: float, charged: float
) -> None:
    assert billed(seconds) == pytest.approx(charged)


def test_few_bursts_share_nothing() -> None:
    traffic = Traffic(pulls=10, layers=8, missing_layers=4)
    built = model({}, traffic)
    assert built.instance_seconds(1) == pytest.approx(10 * 2, rel=1e-4)


def test_an_instance_is_never_active_for_longer_than_there_is_traffic() -> None:
    traffic = Traffic(pulls=10**6, missing_layers=3)
    built = model({}, traffic, busy_hours=100, concurrency=1000)
    load = 10**6 / 360_000
    assert built.instance_seconds(1) == pytest.approx(360_000 * (1 - math.exp(-load)))
    assert built.instance_seconds(1) < 360_000


def test_an_instance_with_one_request_at_a_time_shares_less() -> None:
    traffic = Traffic(pulls=10**6, missing_layers=3)
    shared, alone = (
        model({}, traffic, busy_hours=100, concurrency=number).instance_seconds(1)
        for number in (1000, 1)
    )
    assert shared < alone <= 10**6


def test_each_request_may_be_a_period_of_its_own() -> None:
    traffic = Traffic(pulls=10, missing_layers=3)
    requests = sum(per_operation(pull_of(traffic)).values())
    built = model({}, traffic, minimum=Minimum.REQUEST)
    assert built.instance_seconds(1) == pytest.approx(10 * requests)
    assert built.instance_seconds(1, Minimum.BURST) == pytest.approx(10, rel=1e-4)


def test_only_bytes_that_leave_the_region_are_egress() -> None:
    traffic = Traffic(pulls=1000, missing_layers=4, layer_mib=16, outside=0.25)
    gigabytes = 0.25 * 1000 * 4 * 16 * MIB / 1e9
    assert model({}, traffic).usage().out_gb == pytest.approx(gigabytes)


def test_each_request_is_logged() -> None:
    usage = model({}, Traffic(pulls=1000), log_bytes=500).usage()
    assert usage.log_gb == pytest.approx(usage.requests * 500 / 1e9)


def test_usage_is_proportional_to_traffic() -> None:
    once, twice = (
        Model(Traffic(pulls=pulls, pushes=pulls), Assumptions(), read_measured()).usage()
        for pulls in (1000, 2000)
    )
    assert twice.requests == 2 * once.requests
    assert twice.cpu_seconds == pytest.approx(2 * once.cpu_seconds)
    assert {name: count / 2 for name, count in twice.calls.items()} == dict(once.calls)
