"""The races can be run by themselves."""

import pytest

from benchmarks.races import main


@pytest.mark.usefixtures("azurite")  # skips where there is none to be had
def test_a_race_is_run_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "set-once", "--seconds", "0.1"]) == 0
    written = capsys.readouterr().out
    assert written.startswith("set-once, ")
    assert " refused pushes" in written
