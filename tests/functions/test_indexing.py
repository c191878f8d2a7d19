"""Microsoft's runtime indexes function_app: its functions, routes and methods."""

from __future__ import annotations

import pytest

from tests.functions.conftest import Start
from tests.support.host import PROJECT, HostFailed, RunningHost

METHODS = "DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT"


def test_the_functions_are_indexed_with_their_routes_and_every_method(host: RunningHost) -> None:
    """Without the prefix `api`, and without a route that would hide pages of FastAPI."""
    mapped = [line.partition("Mapped ")[2] for line in host.log().splitlines() if "Mapped " in line]
    assert mapped == [
        f"function route '/auth/{{*path}}' [{METHODS}] to 'auth'",
        f"function route '/' [{METHODS}] to 'home'",
        f"function route '/oauth2/{{*path}}' [{METHODS}] to 'oauth2'",
        f"function route '/v2/{{*path}}' [{METHODS}] to 'v2'",
    ]


def test_without_garbage_collection_there_is_no_timer(host: RunningHost) -> None:
    """It would start an instance every hour, and be billed."""
    assert "Scheduled function" not in host.log()


def test_a_missing_setting_stops_the_start_and_is_named(
    start: Start, settings: dict[str, str]
) -> None:
    without = {name: value for name, value in settings.items() if name != "REGISTRY_HTTP_SECRET"}
    with pytest.raises(HostFailed, match="REGISTRY_HTTP_SECRET is missing"):
        start(PROJECT, without)
