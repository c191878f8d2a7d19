"""The benchmark of logins runs through every mode; what it measures is for people to judge."""

import pytest

from benchmarks.auth import main


@pytest.mark.usefixtures("azurite")  # skips where there is none to be had
def test_each_mode_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick"]) == 0

    _, _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split("|")[1].strip() for row in rows] == [
        "none",
        "htpasswd, a user's first",
        "htpasswd, later",
        "token, a token's first",
        "token, later",
        "builtin, a token's first",
        "builtin, later",
    ]
