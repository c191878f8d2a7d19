"""`func start` with local.settings.example.json, as far as possible without `func`."""

from __future__ import annotations

import json

import httpx

from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from tests.functions.conftest import Start
from tests.support.azurite import container_client
from tests.support.host import PROJECT

VALUES: dict[str, str] = json.loads((PROJECT / "local.settings.example.json").read_text())["Values"]
USUAL_PORT = "127.0.0.1:10000/"


def test_the_registry_runs_with_the_example_of_local_settings(
    start: Start, azurite: Azurite
) -> None:
    """All values are those of the example, except for the port of Azurite."""
    connection = VALUES["REGISTRY_STORAGE_AZURE_CONNECTIONSTRING"]
    assert USUAL_PORT in connection
    here = connection.replace(USUAL_PORT, f"127.0.0.1:{azurite.port}/")
    with container_client(azurite, VALUES["REGISTRY_STORAGE_AZURE_CONTAINER"]) as container:
        container.create_container()
    content = b"pushed to func start"
    settings = VALUES | {"REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": here}
    with (
        start(PROJECT, settings) as host,
        httpx.Client(base_url=host.url, timeout=60) as client,
    ):
        uploads = f"/v2/hello/blobs/uploads/?digest={Digest.of(content)}"
        assert client.post(uploads, content=content).status_code == 201
        assert client.head(f"/v2/hello/blobs/{Digest.of(content)}").status_code in (200, 307)


def test_the_example_is_complete() -> None:
    """Core Tools needs the language, timers and keys need storage, and bodies must stream."""
    assert VALUES["FUNCTIONS_WORKER_RUNTIME"] == "python"
    assert VALUES["AzureWebJobsStorage"] == "UseDevelopmentStorage=true"
    assert VALUES["PYTHON_ENABLE_INIT_INDEXING"] == "1"
    assert all(isinstance(value, str) for value in VALUES.values())
