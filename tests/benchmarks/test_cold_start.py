"""The benchmark of cold starts tells what an import is made of, and goes through every mode."""

from __future__ import annotations

import pytest

from benchmarks.cold_start import main
from benchmarks.import_tree import calmest, packages, parse_import_times
from tests.support.cold_start import settings

TIMES = """\
import time: self [us] | cumulative | imported package
import time:       100 |        100 |       ours.deep
import time:        10 |        110 |     theirs.low
import time:         5 |        115 |   theirs
import time:        20 |        135 | ours
import time:         1 |          1 | theirs.late
"""


def first_part(name: str) -> str:
    return name.partition(".")[0]


def test_every_line_of_the_tree_is_read() -> None:
    found = [(each.name, each.depth, round(each.own * 1e6)) for each in parse_import_times(TIMES)]
    assert found == [
        ("ours.deep", 3, 100),
        ("theirs.low", 2, 10),
        ("theirs", 1, 5),
        ("ours", 0, 20),
        ("theirs.late", 0, 1),
    ]


def test_what_a_package_brings_along_is_counted_once() -> None:
    """What comes back to a package from below is in its time already."""
    told = [
        (each.name, each.modules, round(each.own * 1e6), round(each.whole * 1e6))
        for each in packages(parse_import_times(TIMES), first_part)
    ]
    assert told == [("ours", 2, 120, 135), ("theirs", 3, 16, 116)]


def test_a_module_that_is_told_twice_is_one() -> None:
    """As Python does where a package imports a module while that is being imported."""
    twice = parse_import_times(f"{TIMES}import time:         2 |          2 | theirs.late\n")
    [_, theirs] = packages(twice, first_part)
    assert (theirs.modules, round(theirs.own * 1e6)) == (3, 18)


def test_the_calmest_run_is_the_one_that_took_least() -> None:
    calm, disturbed = parse_import_times(TIMES), parse_import_times(TIMES.replace("20", "90"))
    assert calmest([disturbed, calm]) is calm


@pytest.mark.timeout(600)
def test_each_mode_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick"]) == 0

    first = [
        line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines()[1:] if line
    ]
    assert {
        "the Functions extension",
        "function_app, above the sum",
        "of what is installed",
        "registry_core.storage",
        *settings(),
    } <= set(first)
