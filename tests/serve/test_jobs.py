"""The local server runs the maintenance jobs, and stops them."""

from __future__ import annotations

from pathlib import Path

from azure.storage.blob import ContainerClient

from tests.support.eventually import until
from tests.support.host import start_host


def test_jobs_run_beside_requests_and_do_not_delay_a_stop(tmp_path: Path) -> None:
    with start_host(
        {}, arguments=["--data", str(tmp_path)], module="tests.serve.job_server"
    ) as host:
        connection_string = (tmp_path / "azurite.lock").read_text().split("\n")[1]
        with ContainerClient.from_connection_string(connection_string, "registry") as container:
            until(lambda: len([*container.list_blobs()]) >= 2)
            assert {blob.name.rsplit("/", 1)[0] for blob in container.list_blobs()} == {
                "docker/registry/v2/ticks"
            }
        assert "the job tick failed" in host.log()
        assert "the first run fails" in host.log()
        assert host.stop(10) == 0
        assert host.log().count("Traceback") == 1
