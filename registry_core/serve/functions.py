"""What a `FunctionApp` says about itself: its functions, with what triggers them.

Read from each function's description of itself, which is what the Functions host gets to see too
(function.json: learn.microsoft.com/azure/azure-functions/functions-reference).
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from azure.functions import FunctionApp
from azure.functions.decorators.function_app import Function
from starlette.responses import Response

from . import ncrontab

DEFAULT_ROUTE_PREFIX = "api"


class UnsupportedFunction(Exception):
    """A function that the local host cannot run as Azure would. The text names it."""


@dataclass(frozen=True)
class HttpFunction:
    """A function called by requests. No ``methods`` means all. ``argument`` takes the request."""

    name: str
    route: str
    methods: frozenset[str]
    argument: str
    handler: Callable[..., Awaitable[Response]]


@dataclass(frozen=True)
class Retry:
    """How often to repeat a failed run (-1: for ever), and the least and longest wait before."""

    count: int = 0
    minimum: timedelta = timedelta(0)
    maximum: timedelta = timedelta(0)


@dataclass(frozen=True)
class TimerFunction:
    """A function called by the clock. ``argument`` takes a `TimerRequest`."""

    name: str
    schedule: ncrontab.Schedule
    run_on_startup: bool
    argument: str
    handler: Callable[..., object]
    retry: Retry = field(default=Retry())


def read_route_prefix(folder: Path) -> str:
    """``extensions.http.routePrefix`` of the app's host.json, "api" unless it says otherwise."""
    settings = json.loads((folder / "host.json").read_text())
    prefix = settings.get("extensions", {}).get("http", {}).get("routePrefix", DEFAULT_ROUTE_PREFIX)
    return str(prefix)


def read_functions(
    app: FunctionApp, *, route_prefix: str
) -> tuple[list[HttpFunction], list[TimerFunction]]:
    """All functions of ``app``, in the order of their names, in which the host tries routes too.

    To be called once: `FunctionApp.get_functions` takes a second call for duplicate names.

    :raises UnsupportedFunction:
    """
    http: list[HttpFunction] = []
    timers: list[TimerFunction] = []
    for function in sorted(app.get_functions(), key=_name):
        trigger = _only_trigger(function)
        if trigger["type"] == "httpTrigger":
            http.append(_http_function(function, trigger, route_prefix))
        elif trigger["type"] == "timerTrigger":
            timers.append(_timer_function(function, trigger))
        else:
            raise UnsupportedFunction(
                f"function {_name(function)}: no {trigger['type']} in the local host"
            )
    return http, timers


def _name(function: Function) -> str:
    return str(function.get_function_name())


def _only_trigger(function: Function) -> Mapping[str, Any]:
    bindings: list[Mapping[str, Any]] = function.get_bindings_dict()["bindings"]
    triggers = [binding for binding in bindings if binding["type"].endswith("Trigger")]
    others = [binding["type"] for binding in bindings if not _is_trigger_or_http(binding)]
    if others:
        raise UnsupportedFunction(
            f"function {_name(function)}: no binding {', '.join(others)} in the local host"
        )
    return triggers[0]


def _is_trigger_or_http(binding: Mapping[str, Any]) -> bool:
    kind: str = binding["type"]
    return kind == "http" or kind.endswith("Trigger")


def _http_function(function: Function, trigger: Mapping[str, Any], prefix: str) -> HttpFunction:
    handler = function.get_user_function()
    if not inspect.iscoroutinefunction(handler):
        raise UnsupportedFunction(
            f"function {_name(function)}: with HTTP streams, handlers must be 'async def'"
        )
    return HttpFunction(
        name=_name(function),
        route=f"{prefix.strip('/')}/{trigger['route'].strip('/')}".strip("/"),
        methods=_methods(trigger.get("methods") or ()),
        argument=trigger["name"],
        handler=handler,
    )


def _methods(methods: Iterable[Any]) -> frozenset[str]:
    return frozenset(str(getattr(method, "value", method)).upper() for method in methods)


def _timer_function(function: Function, trigger: Mapping[str, Any]) -> TimerFunction:
    try:
        schedule = ncrontab.parse(trigger["schedule"])
    except ncrontab.ScheduleInvalid as error:
        raise UnsupportedFunction(f"function {_name(function)}: {error}") from None
    return TimerFunction(
        name=_name(function),
        schedule=schedule,
        run_on_startup=bool(trigger.get("runOnStartup")),
        argument=trigger["name"],
        handler=function.get_user_function(),
        retry=_retry(function),
    )


def _retry(function: Function) -> Retry:
    policy = function.get_settings_dict("retry_policy")
    if policy is None:
        return Retry()
    count = int(policy["max_retry_count"])
    if policy["strategy"] == "fixed_delay":
        delay = _duration(policy["delay_interval"])
        return Retry(count, delay, delay)
    minimum, maximum = policy["minimum_interval"], policy["maximum_interval"]
    return Retry(count, _duration(minimum), _duration(maximum))


def _duration(text: str) -> timedelta:
    hours, minutes, seconds = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))
