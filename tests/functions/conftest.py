"""Fixtures for the tests under Microsoft's runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from registry_core.serve.azurite import Azurite
from tests.support.azurite import create_container
from tests.support.functions_host.process import start_functions_host
from tests.support.host import RunningHost
from tests.support.hosts import FUNCTIONS, registry_under, require_runtime

SAMPLE_APP = Path(__file__).parent / "sample_app"

Start = Callable[..., RunningHost]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark all tests here: they run a host under Microsoft's runtime."""
    item.add_marker(pytest.mark.hosts)


@pytest.fixture(scope="session")
def start() -> Start:
    """Return `start_functions_host`, or skip the test if the runtime cannot run here."""
    require_runtime()
    return start_functions_host


@pytest.fixture(scope="module")
def sample(start: Start) -> Iterator[RunningHost]:
    """The sample app under the runtime."""
    with start(SAMPLE_APP, {"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": str(512 << 20)}) as host:
        yield host


@pytest.fixture(scope="session")
def settings(azurite: Azurite) -> dict[str, str]:
    """The registry's settings, with a container in Azurite."""
    return {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": create_container(azurite),
        "REGISTRY_HTTP_SECRET": "a secret of the tests, and of nobody else",
    }


@pytest.fixture(scope="session")
def host(settings: dict[str, str]) -> Iterator[RunningHost]:
    """The project's function_app under the runtime. No invocation in it may fail or hang."""
    with registry_under(FUNCTIONS, settings) as host:
        yield host


@pytest.fixture
def registry(host: RunningHost) -> Iterator[httpx.Client]:
    """A client of the project's registry under the runtime."""
    with httpx.Client(base_url=host.url, timeout=60) as client:
        yield client
