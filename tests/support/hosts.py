"""The two hosts of the registry: the local one, and Microsoft's Functions runtime.

with registry_under(FUNCTIONS, environment) as host:
    httpx.get(f"{host.url}/v2/")
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.support.functions_host.process import start_functions_host, what_is_missing
from tests.support.host import PROJECT, RunningHost, start_host


@dataclass(frozen=True)
class HostKind:
    """A kind of host, and how it differs from others.

    ``reads_ahead``: a body with a length is read whole before the registry is called.
    ``hang_up``: the log message when a client hangs up in the middle of such a body.
    ``refuses_long_urls``: it answers a request line over 8 KiB itself, with 414 and no body.
    """

    name: str
    reads_ahead: bool
    hang_up: str
    refuses_long_urls: bool


LOCAL = HostKind(
    "local", reads_ahead=False, hang_up="the client disconnected", refuses_long_urls=False
)
FUNCTIONS = HostKind(
    "functions",
    reads_ahead=True,
    hang_up="The client disconnected from",
    refuses_long_urls=True,
)
HOSTS = (LOCAL, FUNCTIONS)

# Azure's default is 100 MiB; containerd sends layers of any size with a length.
_BODY_LIMIT = {"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": str(2 << 30)}

_FLAW = re.compile(r"^.*\b(?:Traceback|Hanging)\b.*(?:\n.*){0,30}", re.MULTILINE)


def require_runtime() -> None:
    """Skip the test where the runtime cannot run; in CI, fail it on Python 3.13."""
    missing = what_is_missing()
    version: tuple[int, ...] = sys.version_info[:2]
    if missing and os.environ.get("CI") == "true" and version >= (3, 13):
        pytest.fail(f"{missing}. In CI nothing is skipped", pytrace=False)
    if missing:
        pytest.skip(missing)


def best_host() -> HostKind:
    """Return the host that is nearest to Azure among those that can run here.

    Tests with real clients use it: with Python 3.13 they run under Microsoft's runtime, with an
    older one over the local server.
    """
    if sys.version_info[:2] >= (3, 13) and os.environ.get("CI") == "true":
        require_runtime()
    return LOCAL if what_is_missing() else FUNCTIONS


def start_registry(kind: HostKind, environment: Mapping[str, str], *, port: int = 0) -> RunningHost:
    """Start the registry under a host. ``port`` 0 is any free one.

    :raises HostFailed: when it does not start.
    """
    if kind is LOCAL:
        return start_host(environment, port=port)
    require_runtime()
    return start_functions_host(PROJECT, {**_BODY_LIMIT, **environment}, port=port)


@contextmanager
def registry_under(
    kind: HostKind, environment: Mapping[str, str], *, port: int = 0
) -> Iterator[RunningHost]:
    """Run the registry during the block; fail if the log has a traceback or a hanging request."""
    with start_registry(kind, environment, port=port) as host:
        yield host
    flaw = _FLAW.search(host.log())
    assert flaw is None, flaw[0]
