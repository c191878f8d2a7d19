"""The command line as a whole: its two names, and its commands."""

from __future__ import annotations

import io
import re
import subprocess
import sys

import pytest

from registry_core.cli.main import main
from tests.support.host import PROJECT


@pytest.mark.parametrize(
    "program, name",
    [
        ("/usr/local/bin/moorage", "moorage"),
        ("/usr/lib/registry_core/__main__.py", "python -m registry_core"),
    ],
)
def test_the_usage_shows_how_the_program_was_started(
    program: str, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its examples, too."""
    monkeypatch.setattr(sys, "argv", [program])
    for arguments in (["--help"], ["serve", "--help"]):
        with pytest.raises(SystemExit):
            main(arguments)
    printed = capsys.readouterr().out
    assert f"usage: {name} [-h] COMMAND ..." in printed
    assert f" {name} serve --host 0.0.0.0 --port 8080\n" in printed


def test_it_runs_as_a_module_with_its_commands() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "registry_core", "--help"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.findall(r"(?m)^    (\w+)(?: |$)", ran.stdout) == [
        "serve",
        "relay",
        "doctor",
        "gc",
        "retention",
        "history",
        "tag",
        "trash",
        "usage",
        "copy",
        "sync",
        "import",
        "auth",
    ]


def test_options_are_checked_without_clients_and_servers() -> None:
    """Each takes a tenth of a second to import, and more."""
    heavy = ("aiohttp", "azure", "rich", "starlette", "uvicorn", "registry_core.client")
    program = (
        "import sys, registry_core.cli.main as main; main._parser(); "
        f"print([name for name in sys.modules if name in {heavy}])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\n"


def test_without_a_command_the_usage_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "the following arguments are required: COMMAND" in capsys.readouterr().err


def test_a_missing_package_is_named_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where the system's Python runs a command in a clone."""
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"secret\n")))
    assert main(["auth", "hash", "alice"]) == 1
    assert "needs the package bcrypt" in capsys.readouterr().err
