"""What the container holds, as text and as a table with bars."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from registry_core.cli.usage import MAX_SHOWN, show_usage
from registry_core.maintenance.gc.report import Amount, RepositoryUsage, Usage

Capture = pytest.CaptureFixture[str]


def ago(age: timedelta) -> datetime:
    return datetime.fromtimestamp(time.time(), UTC) - age


def usage(**repositories: RepositoryUsage) -> Usage:
    return Usage(
        repositories,
        content=Amount(1234, 5 * 2**30),
        garbage=Amount(34, 2**20),
        condemned=Amount(12, 1024),
        trash=Amount(5, 17),
    )


def test_the_largest_repositories_come_first(capsys: Capture) -> None:
    held = usage(small=RepositoryUsage(1, 2, 1024), large=RepositoryUsage(3, 4, 2**30))
    when = ago(timedelta(hours=5))
    show_usage(held, "registry", when)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"container registry as of {when:%Y-%m-%d %H:%M} UTC, 5 h 0 min ago"
    assert lines[1:] == [
        "repositories 2, tags 4, manifests 6",
        "content              1,234       5.0 GiB  each digest once",
        "  garbage               34       1.0 MiB  that nothing references",
        "  condemned             12       1.0 KiB  of the garbage; goes after the grace",
        "  trash                  5      17 bytes  records of deletions; bytes that only they keep",
        "repository      tags   manifests          size",
        "large              3           4       1.0 GiB",
        "small              1           2       1.0 KiB",
    ]


def test_an_old_summary_names_the_command_that_renews_it(capsys: Capture) -> None:
    show_usage(usage(), "registry", ago(timedelta(days=3)))
    assert "3 days ago; `python -m registry_core gc` looks again" in capsys.readouterr().out


def test_only_the_largest_are_shown_unless_all_are_requested(capsys: Capture) -> None:
    many = usage(**{f"r{n}": RepositoryUsage(1, 1, n) for n in range(MAX_SHOWN + 3)})
    show_usage(many, "registry", ago(timedelta()))
    assert capsys.readouterr().out.splitlines()[-1] == "... and 3 smaller ones; --all shows them"
    show_usage(many, "registry", ago(timedelta()), most=None)
    assert capsys.readouterr().out.splitlines()[-1].startswith("r0 ")


def test_a_terminal_shows_bars(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """The largest repository has the longest one."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    held = usage(small=RepositoryUsage(1, 2, 2**29), large=RepositoryUsage(3, 4, 2**30))
    show_usage(held, "registry", ago(timedelta()))
    large, small = capsys.readouterr().out.splitlines()[-2:]
    assert large.startswith("large")
    assert (large.count("█"), small.count("█")) == (24, 12)
