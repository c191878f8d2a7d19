"""How tests start hosts for the sample app."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.support.host import RunningHost, start_host, start_process

APP = Path(__file__).parent / "sample_app"

# Storage is configured, so no Azurite is started; the sample app never asks it anything.
CONFIGURED = {
    "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": "DefaultEndpointsProtocol=http;AccountName=nobody;"
    "AccountKey=bm9ib2R5;BlobEndpoint=http://127.0.0.1:9/nobody;",
    "REGISTRY_STORAGE_AZURE_CONTAINER": "nothing",
    "REGISTRY_HTTP_SECRET": "a secret of the tests, long enough for everybody",
}


def start_sample(*arguments: str, environment: Mapping[str, str] | None = None) -> RunningHost:
    """A ready host that serves the sample app on a port of its own, with storage configured."""
    return start_host({**CONFIGURED, **(environment or {})}, arguments=arguments, cwd=APP)


def launch_sample(*arguments: str, environment: Mapping[str, str] | None = None) -> RunningHost:
    """The same, not waited for and with exactly these arguments: it may well fail to start."""
    return start_process({**CONFIGURED, **(environment or {})}, arguments=arguments, cwd=APP)
