"""The benchmark behind the cost model runs through; what it measures is for people to judge."""

import tomllib

import pytest

from benchmarks.cost import main
from tools.cost.measured import FILE


@pytest.mark.timeout(300)  # it starts five hosts, one after the other
@pytest.mark.usefixtures("azurite")  # skips where there is none to be had
def test_each_kind_of_request_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """It prints the lines of measured.toml that are measured, no more and no fewer."""
    assert main(["--quick"]) == 0

    printed = tomllib.loads(capsys.readouterr().out)
    data = tomllib.loads(FILE.read_text())
    assert printed["benchmark"].keys() == data["benchmark"].keys()
    assert printed["request"].keys() == data["request"].keys()
    for name, measured in printed["request"].items():
        assert {"cpu_ms", "answer"} <= measured.keys() <= data["request"][name].keys()
