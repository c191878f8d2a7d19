"""A run measures what it can and says what it could not."""

import json
import socket
from pathlib import Path

import pytest

from benchmarks import latency
from benchmarks.__main__ import main
from benchmarks.run import Registry, Run
from benchmarks.scale import Scale, size_text


@pytest.fixture
def nowhere() -> str:
    """The URL of a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_registry_that_is_not_there_is_a_problem(
    nowhere: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--registry", f"gone={nowhere}", "--quick", "--only", "latency,throughput"]) == 1
    written = capsys.readouterr().out
    assert "- throughput, gone: ConnectionRefusedError" in written
    assert "- push a new 2-blob image, median, gone: ConnectionRefusedError" in written


def test_a_run_ends_when_its_time_is_up(nowhere: str) -> None:
    run = Run([Registry("a", nowhere)], Scale(limit_seconds=0))
    latency.measure(run)
    assert run.sheet.problems == ["push a new 2-blob image, median, a: after 0 s, time was up"]


@pytest.mark.usefixtures("azurite")  # skips where there is none to be had
@pytest.mark.timeout(300)
def test_our_registry_is_measured_without_a_gap(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    status = main(["--serve", "--quick", "--json", str(report)])
    assert (status, capsys.readouterr().out.count("Not measured")) == (0, 0)
    rows = json.loads(report.read_text())["rows"]
    assert all(row["samples"]["ours"] for row in rows if "ours" in row["samples"])
    assert {"4 MiB pull, streamed", "4 MiB pull, redirected"} <= {row["name"] for row in rows}
    groups = {row["group"].split()[0] for row in rows}
    assert groups == {"Storage", "Throughput", "CPU", "Requests", "Latency", "Peak"}


@pytest.mark.parametrize(
    "size, text", [(2**30, "1 GiB"), (256 * 2**20, "256 MiB"), (4096, "4 KiB"), (1025, "1025 B")]
)
def test_sizes_are_written_in_whole_units(size: int, text: str) -> None:
    assert size_text(size) == text
