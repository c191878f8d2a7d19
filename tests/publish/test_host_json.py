"""host.json says what docs/functions-host.md explains, and fits the functions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from registry_core.jobs import JOBS
from tests.house.tree import PROJECT

HOST_JSON: dict[str, Any] = json.loads((PROJECT / "host.json").read_text())
FUNCTION_APP = (PROJECT / "function_app.py").read_text()
FUNCTIONS = [
    *re.findall(r'function_name\("(\w+)"\)', FUNCTION_APP),
    *(job.name for job in JOBS),
]


def test_every_choice_is_explained() -> None:
    """JSON has no comments: the table in docs/functions-host.md has each value, and no other."""
    document = (PROJECT / "docs" / "functions-host.md").read_text()
    section = document.partition("\n## host.json\n")[2].partition("\n## ")[0]
    explained = dict(re.findall(r"(?m)^\| `([\w.]+)` \| `([^`]+)` \|", section))
    of_each = {f"logging.logLevel.Function.{name}.User" for name in FUNCTIONS}
    assert {*flat(HOST_JSON)} - {(name, '"Information"') for name in of_each} == {
        *explained.items()
    }


def test_what_the_functions_log_is_kept() -> None:
    """The host's own lines are not, but for results: it writes two for each request."""
    levels = HOST_JSON["logging"]["logLevel"]
    assert FUNCTIONS
    assert levels == {
        "default": "Warning",
        "Host.Aggregator": "Information",
        "Host.Results": "Information",
        **{f"Function.{name}.User": "Information" for name in FUNCTIONS},
    }


def test_the_longest_upload_has_time_enough() -> None:
    """It may come at 300 KiB/s. What hangs is ended all the same, after an hour, not never."""
    hours, minutes, seconds = map(int, HOST_JSON["functionTimeout"].split(":"))
    longest = json.loads((PROJECT / "local.settings.example.json").read_text())["Values"]
    size = int(longest["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"])
    allowed = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    assert timedelta(seconds=size / (300 << 10)) < allowed <= timedelta(hours=1)


def test_no_extension_is_loaded_that_no_function_needs() -> None:
    """HTTP and timers are the host's own; for any other binding it would need the bundle."""
    bindings = set(re.findall(r"(?m)^ *@app\.(\w+)\(", FUNCTION_APP)) - {"function_name"}
    assert bindings <= {"route", "timer_trigger"}
    assert "extensionBundle" not in HOST_JSON


def flat(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names and what they are set to, as JSON has it."""
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from flat(inner, f"{above}{name}.")
        else:
            yield f"{above}{name}", json.dumps(inner)
