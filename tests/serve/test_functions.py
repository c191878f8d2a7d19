"""A FunctionApp is read as Azure would read it; what cannot be done here is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import azure.functions as func
import pytest
from starlette.requests import Request
from starlette.responses import Response

from registry_core.serve.functions import (
    Retry,
    UnsupportedFunction,
    read_functions,
    read_route_prefix,
)
from registry_core.serve.routes import compile_route


@pytest.fixture
def app() -> func.FunctionApp:
    return func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


async def handle(req: Request) -> Response:
    return Response(req.url.path)


def handle_timer(timer: func.TimerRequest) -> None:
    assert not timer.past_due


def test_functions_come_in_the_order_of_their_names(app: func.FunctionApp) -> None:
    for name in ("c", "a", "b"):
        app.function_name(name)(app.route(route=name, methods=["GET"])(handle))
    http, timers = read_functions(app, route_prefix="")
    assert [function.name for function in http] == ["a", "b", "c"]
    assert timers == []


def test_an_http_function_has_route_methods_and_the_name_of_its_argument(
    app: func.FunctionApp,
) -> None:
    app.route(route="/v2/{*path}/", methods=["get", "PUT"])(handle)
    (function,), _ = read_functions(app, route_prefix="")
    assert function.route == "v2/{*path}"
    assert function.methods == {"GET", "PUT"}
    assert function.argument == "req"
    assert function.handler is handle


def test_a_function_without_methods_takes_all(app: func.FunctionApp) -> None:
    app.route(route="any")(handle)
    (function,), _ = read_functions(app, route_prefix="")
    assert function.methods == frozenset()


def test_a_function_without_a_route_is_found_under_its_name(app: func.FunctionApp) -> None:
    app.function_name("named")(app.route()(handle))
    (function,), _ = read_functions(app, route_prefix="api")
    assert function.route == "api/named"


def test_a_timer_function_has_schedule_and_retry_policy(app: func.FunctionApp) -> None:
    timer = app.timer_trigger(schedule="0 0 3 * * *", arg_name="timer", run_on_startup=True)
    retry = app.retry(strategy="fixed_delay", max_retry_count="3", delay_interval="00:01:30")
    retry(timer(handle_timer))
    http, (function,) = read_functions(app, route_prefix="")
    assert http == []
    assert function.schedule.hours == (3,)
    assert function.run_on_startup
    assert function.retry == Retry(3, timedelta(seconds=90), timedelta(seconds=90))


def test_an_exponential_retry_has_two_intervals(app: func.FunctionApp) -> None:
    retry = app.retry(
        strategy="exponential_backoff",
        max_retry_count="-1",
        minimum_interval="00:00:01",
        maximum_interval="01:00:00",
    )
    retry(app.timer_trigger(schedule="0 0 3 * * *", arg_name="timer")(handle_timer))
    _, (function,) = read_functions(app, route_prefix="")
    assert function.retry == Retry(-1, timedelta(seconds=1), timedelta(hours=1))


def with_queue_trigger(app: func.FunctionApp) -> None:
    app.queue_trigger(arg_name="message", queue_name="q", connection="C")(handle)


def with_queue_output(app: func.FunctionApp) -> None:
    output = app.queue_output(arg_name="out", queue_name="q", connection="C")
    output(app.route(route="r")(handle))


def with_sync_handler(app: func.FunctionApp) -> None:
    app.route(route="r", trigger_arg_name="timer")(handle_timer)


def with_bad_schedule(app: func.FunctionApp) -> None:
    app.timer_trigger(schedule="*/5 * * * *", arg_name="timer")(handle_timer)


@pytest.mark.parametrize(
    "define, reason",
    [
        (with_queue_trigger, "function handle: no queueTrigger in the local host"),
        (with_queue_output, "function handle: no binding queue in the local host"),
        (
            with_sync_handler,
            "function handle_timer: with HTTP streams, handlers must be 'async def'",
        ),
        (with_bad_schedule, "function handle_timer: schedule '*/5 * * * *' has 5 fields"),
    ],
)
def test_what_the_local_host_cannot_do_is_refused(
    app: func.FunctionApp, define: Callable[[func.FunctionApp], None], reason: str
) -> None:
    define(app)
    with pytest.raises(UnsupportedFunction) as refused:
        read_functions(app, route_prefix="")
    assert reason in str(refused.value)


@pytest.mark.parametrize("template", ["{id:int}", "{name?}", "{*path}/more", "a{b}c", "{name=x}"])
def test_routes_of_more_than_names_and_parameters_are_refused(template: str) -> None:
    with pytest.raises(UnsupportedFunction):
        compile_route(template)


def test_a_literal_part_of_a_route_is_no_pattern() -> None:
    assert compile_route("a.b").fullmatch("/a.b")
    assert not compile_route("a.b").fullmatch("/axb")


@pytest.mark.parametrize(
    "settings, prefix",
    [
        ('{"extensions": {"http": {"routePrefix": ""}}}', ""),
        ('{"extensions": {"http": {"routePrefix": "x/y"}}}', "x/y"),
        ('{"version": "2.0"}', "api"),
    ],
)
def test_the_route_prefix_is_what_host_json_says(
    tmp_path: Path, settings: str, prefix: str
) -> None:
    (tmp_path / "host.json").write_text(settings)
    assert read_route_prefix(tmp_path) == prefix
