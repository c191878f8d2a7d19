"""What becomes of commands whose output nobody reads, and of Ctrl-C outside the work on storage."""

from __future__ import annotations

import shlex
import subprocess
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import SimpleNamespace

import pytest

from registry_core.__main__ import run
from registry_core.cli import main

from .commands import COMMAND, environment


@pytest.mark.parametrize("command", [["gc", "--dry-run", "--json"], ["trash", "list"]])
def test_a_reader_that_has_seen_enough_is_no_error(
    settings: dict[str, str], command: list[str]
) -> None:
    """As ``head`` closes its input."""
    with subprocess.Popen(
        [*COMMAND, *command],
        env=environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_process_may_have_no_output(settings: dict[str, str], closed: str) -> None:
    for command in (["gc", "--dry-run"], ["trash", "list"]):
        line = f"{shlex.join([*COMMAND, *command])} {closed}"
        ran = subprocess.run(
            ["sh", "-c", line],
            env=environment(settings),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, ""), command


def test_output_that_finds_no_space_is_an_error_of_one_line(settings: dict[str, str]) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ran = subprocess.run(
            [*COMMAND, "gc", "--dry-run"],
            env=environment(settings),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    problem = "registry: the output cannot be written: No space left on device\n"
    assert (ran.returncode, ran.stderr) == (1, problem)


def test_ctrl_c_while_the_command_line_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupting(MetaPathFinder):
        def find_spec(self, fullname: str, path: object, target: object = None) -> None:
            raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "registry_core.cli.main")
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    assert run() == 130
    assert capsys.readouterr().err == "registry: interrupted\n"


def test_ctrl_c_before_the_work_on_storage_begins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While settings and rules are read."""

    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    parser = SimpleNamespace(parse_args=lambda _: SimpleNamespace(run=interrupted))
    monkeypatch.setattr(main, "_parser", lambda: parser)
    assert main.main([]) == 130
    assert capsys.readouterr().err == "registry: interrupted\n"
