"""Each maintenance job is a timer of the Functions app, beside the routes of the registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from registry_core.serve.azurite import Azurite
from registry_core.storage.layout import Layout
from tests.functions.conftest import Start
from tests.support.azurite import container_client, create_container
from tests.support.eventually import until
from tests.support.host import PROJECT, RunningHost

JOB_APP = Path(__file__).parent / "job_app"


@pytest.fixture(scope="module")
def container(azurite: Azurite) -> str:
    return create_container(azurite)


@pytest.fixture(scope="module")
def host(start: Start, settings: dict[str, str], container: str) -> Iterator[RunningHost]:
    with start(JOB_APP, {**settings, "REGISTRY_STORAGE_AZURE_CONTAINER": container}) as host:
        yield host


def run_now(host: RunningHost, function: str) -> int:
    """Have the host run a timer at once, and return the status of its answer."""
    return httpx.post(f"{host.url}/admin/functions/{function}").status_code


def test_each_job_is_indexed_with_its_schedule(host: RunningHost) -> None:
    scheduled = [line for line in host.log().splitlines() if "Scheduled" in line]
    assert [line.partition("Scheduled ")[2] for line in scheduled] == [
        "function 'failing_job' by '0 */15 * * * *'",
        "function 'sample-job' by '0 0 */6 * * *'",
    ]
    assert httpx.get(f"{host.url}/v2/").status_code == 200


def test_a_timer_runs_its_job_on_the_registrys_storage(
    host: RunningHost, azurite: Azurite, container: str
) -> None:
    assert run_now(host, "sample-job") == 202
    with container_client(azurite, container) as client:
        until(lambda: [*client.list_blob_names()] == ["docker/registry/v2/written-by-a-job"])
    until(lambda: "Executed 'Functions.sample-job'" in host.log())
    assert "Failed" not in host.log().partition("Executed 'Functions.sample-job'")[2].split("\n")[0]


def test_a_job_that_fails_is_a_failed_invocation(host: RunningHost) -> None:
    """So Application Insights counts it, and alerts can find it."""
    assert run_now(host, "failing_job") == 202
    until(lambda: "LookupError: this job fails" in host.log())
    until(lambda: "Executed 'Functions.failing_job'" in host.log())
    assert "Failed" in host.log().partition("Executed 'Functions.failing_job'")[2].split("\n")[0]


def test_garbage_is_collected_by_a_timer_if_a_setting_says_so(
    start: Start, settings: dict[str, str], azurite: Azurite
) -> None:
    """It runs in the project's own app, and logs one line of what it did."""
    container = create_container(azurite)
    enabled = {"REGISTRY_STORAGE_AZURE_CONTAINER": container, "REGISTRY_GC_ENABLED": "true"}
    with start(PROJECT, {**settings, **enabled}) as host:
        assert "Scheduled function 'collect-garbage' by '0 0 */1 * * *'" in host.log()
        assert run_now(host, "collect-garbage") == 202
        with container_client(azurite, container) as client:
            until(lambda: Layout().gc_summary in set(client.list_blob_names()))
        until(lambda: "Executed 'Functions.collect-garbage'" in host.log())
        assert "finished: condemned 0 objects, deleted 0, freed 0 bytes" in host.log()
