"""How tests start local servers that serve the sample application."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.host import RunningHost, start_host, start_process

SAMPLE = "tests.serve.sample_server"

# Storage is configured, so no Azurite is started. The sample application does not use it.
CONFIGURED = {
    "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": "DefaultEndpointsProtocol=http;AccountName=unused;"
    "AccountKey=dW51c2Vk;BlobEndpoint=http://127.0.0.1:9/unused;",
    "REGISTRY_STORAGE_AZURE_CONTAINER": "unused",
    "REGISTRY_HTTP_SECRET": "a secret of the tests, long enough for everybody",
}


def start_sample(*arguments: str, environment: Mapping[str, str] | None = None) -> RunningHost:
    """Start a server and wait until it is ready. It has a port of its own, storage configured."""
    environment = {**CONFIGURED, **(environment or {})}
    return start_host(environment, arguments=arguments, module=SAMPLE)


def launch_sample(*arguments: str) -> RunningHost:
    """Start a server with exactly these arguments and do not wait: it may well fail to start."""
    return start_process(CONFIGURED, arguments=arguments, module=SAMPLE)
