"""host.json says what docs/functions-host.md explains, and fits the functions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from registry_core.config import read_settings
from registry_core.jobs import FUNCTIONS_LIMIT, jobs_for
from tests.house.tree import PROJECT

HOST_JSON: dict[str, Any] = json.loads((PROJECT / "host.json").read_text())
FUNCTION_APP = (PROJECT / "function_app.py").read_text()
SETTINGS = read_settings(
    {
        "REGISTRY_STORAGE_AZURE_ACCOUNTNAME": "unused",
        "REGISTRY_STORAGE_AZURE_CONTAINER": "unused",
        "REGISTRY_HTTP_SECRET": "a secret of the tests, long enough for everybody",
        "REGISTRY_GC_ENABLED": "true",
    }
)
"""With every job switched on."""
FUNCTIONS = [
    *re.findall(r'function_name\("(\w+)"\)', FUNCTION_APP),
    *(job.name for job in jobs_for(SETTINGS)),
]


def test_every_choice_is_explained() -> None:
    """JSON has no comments: the table in docs/functions-host.md has each value, and no other."""
    document = (PROJECT / "docs" / "functions-host.md").read_text()
    section = document.partition("\n## host.json\n")[2].partition("\n## ")[0]
    explained = dict(re.findall(r"(?m)^\| `([\w.]+)` \| `([^`]+)` \|", section))
    log_levels = {f"logging.logLevel.Function.{name}.User" for name in FUNCTIONS}
    assert {*flat(HOST_JSON)} - {(name, '"Information"') for name in log_levels} == {
        *explained.items()
    }


def test_logs_of_the_functions_are_kept() -> None:
    """Those of the host are dropped, except results: it writes two lines for each request."""
    levels = HOST_JSON["logging"]["logLevel"]
    assert FUNCTIONS
    assert levels == {
        "default": "Warning",
        "Host.Aggregator": "Information",
        "Host.Results": "Information",
        **{f"Function.{name}.User": "Information" for name in FUNCTIONS},
    }


def test_the_timeout_allows_the_longest_upload() -> None:
    """At 300 KiB/s. A request that hangs still ends after an hour."""
    hours, minutes, seconds = map(int, HOST_JSON["functionTimeout"].split(":"))
    values = json.loads((PROJECT / "local.settings.example.json").read_text())["Values"]
    size = int(values["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"])
    allowed = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    assert timedelta(seconds=size / (300 << 10)) < allowed <= timedelta(hours=1)


def test_the_timeout_allows_a_job_to_end_by_itself() -> None:
    """Also that of the old Consumption plan, which allows ten minutes at most."""
    shortest = timedelta(minutes=10)
    assert shortest - FUNCTIONS_LIMIT >= timedelta(minutes=2)


def test_no_extension_bundle_is_loaded() -> None:
    """HTTP and timers are built into the host; other bindings would need the bundle."""
    bindings = set(re.findall(r"(?m)^ *@app\.(\w+)\(", FUNCTION_APP)) - {"function_name"}
    assert bindings <= {"route", "timer_trigger"}
    assert "extensionBundle" not in HOST_JSON


def flat(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted names of all values, each with its value in JSON."""
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from flat(inner, f"{above}{name}.")
        else:
            yield f"{above}{name}", json.dumps(inner)
