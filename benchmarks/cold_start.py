"""`python -m benchmarks.cold_start`: what a new instance does before its first answer.

New processes import the app, and what it cannot do without, in turns. Nothing is asked of storage.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import statistics
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from tests.support.cold_start import (
    ANSWER,
    EXTENSION,
    SDK,
    ProcessFailed,
    Started,
    import_times,
    settings,
    start,
)
from tests.support.host import PROJECT

from .import_tree import calmest, packages, parse_import_times

ROUNDS = 10
SHOWN = 20  # packages
_APART = ("azure", "registry_core")  # told by their second names, too
_COLUMNS: Sequence[tuple[int, Callable[[Sequence[float]], float]]] = (
    (1, min),
    (1, statistics.median),
    (0, min),
    (0, statistics.median),
)
"""Which of the two clocks, and what is told of it."""
_LIBRARY = {name.lstrip("_") for name in sys.stdlib_module_names}

Case = tuple[tuple[str, ...], Mapping[str, str]]
"""What the probe is asked to do, and the environment."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns 1 when it could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_start", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round: does everything work?")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"{ROUNDS} by default")
    given = parser.parse_args(arguments)
    rounds = 1 if given.quick else max(1, given.rounds)
    print(f"Python {platform.python_version()}; processes of each kind: {rounds}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            _measure(Path(folder), rounds)
    except ProcessFailed as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    return 0


def _measure(folder: Path, rounds: int) -> None:
    environments = settings()
    kept = folder / "all"
    for environment in environments.values():
        start(ANSWER, {**environment, **_bytecode(kept), "PYTHONDONTWRITEBYTECODE": ""})
    nothing = _bytecode(kept)
    modes = {
        name: (ANSWER, {**environment, **nothing}) for name, environment in environments.items()
    }
    sums: dict[str, Case] = {
        "the Functions extension": (EXTENSION, nothing),
        "Blob Storage's SDK": (SDK, nothing),
        "both in one process": ((*EXTENSION, *SDK), nothing),
    }
    bytecode = {
        name: (ANSWER, {**environments["none"], **_bytecode(kept_there)})
        for name, kept_there in _partial(kept, folder).items()
    }
    runs = _in_turns({**sums, **modes, **bytecode}, rounds)
    _print_sums(runs)
    _print_modes({mode: runs[mode] for mode in modes})
    _print_bytecode({"of everything": runs["none"], **{name: runs[name] for name in bytecode}})
    _print_tree([import_times(*modes["none"]) for _ in range(rounds)])


def _bytecode(folder: Path) -> dict[str, str]:
    return {"PYTHONPYCACHEPREFIX": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}


def _partial(kept: Path, folder: Path) -> dict[str, Path]:
    """The same bytecode without the app's, and the standard library's only."""
    others, library = folder / "others", folder / "library"
    shutil.copytree(kept, others)
    project = others / PROJECT.relative_to("/")
    shutil.rmtree(project / "registry_core")
    for file in project.glob("function_app.*"):
        file.unlink()
    inside = Path(sysconfig.get_path("stdlib")).relative_to("/")
    installed = shutil.ignore_patterns("site-packages", "dist-packages")
    shutil.copytree(kept / inside, library / inside, ignore=installed)
    return {"of what is installed": others, "of the standard library": library}


def _in_turns(cases: Mapping[str, Case], rounds: int) -> dict[str, list[Started]]:
    runs: dict[str, list[Started]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            runs[name].append(start(*case))
    return runs


def _print_sums(runs: Mapping[str, list[Started]]) -> None:
    print("\n| imports | CPU, least, s | median | clock, least, s | median |")
    print("|---|---:|---:|---:|---:|")
    for name in ("the Functions extension", "Blob Storage's SDK", "both in one process", "none"):
        print(f"| {'function_app' if name == 'none' else name} |", _cells(runs[name]))
    parts = ("the Functions extension", "Blob Storage's SDK")
    for name, below in (("the sum", parts), ("both in one process", ("both in one process",))):
        print(f"| function_app, above {name} |", _above(runs, below))


def _above(runs: Mapping[str, list[Started]], below: Sequence[str]) -> str:
    return _joined(
        told(_clock(runs["none"], clock)) - sum(told(_clock(runs[name], clock)) for name in below)
        for clock, told in _COLUMNS
    )


def _print_modes(runs: Mapping[str, list[Started]]) -> None:
    """The first `/v2/` after the import: it opens the application."""
    print("\n| mode | import: CPU, least, s | median | first /v2/: CPU, least, ms | modules |")
    print("|---|---:|---:|---:|---:|")
    for mode, started in runs.items():
        cpu = _clock(started, 1)
        answered = 1000 * min(each.answered[1] for each in started)
        modules = len(started[0].modules)
        cells = f"{min(cpu):.2f} | {statistics.median(cpu):.2f} | {answered:.0f} | {modules}"
        print(f"| {mode} | {cells} |")


def _print_bytecode(runs: Mapping[str, list[Started]]) -> None:
    print("\n| bytecode is there | CPU, least, s | median | clock, least, s | median |")
    print("|---|---:|---:|---:|---:|")
    for name, started in runs.items():
        print(f"| {name} |", _cells(started))


def _print_tree(texts: Sequence[str]) -> None:
    """`-X importtime` makes every import a little slower."""
    modules = calmest([parse_import_times(text) for text in texts])
    print("\n| package | modules | own, ms | with what it brings along, ms |")
    print("|---|---:|---:|---:|")
    for package in packages(modules, _package_of)[:SHOWN]:
        own, whole = 1000 * package.own, 1000 * package.whole
        print(f"| {package.name} | {package.modules} | {own:.0f} | {whole:.0f} |")


def _package_of(module: str) -> str:
    first, *others = module.split(".")
    if first.lstrip("_") in _LIBRARY:
        return "the standard library"
    return f"{first}.{others[0]}" if first in _APART and others else first


def _cells(started: Sequence[Started]) -> str:
    return _joined(told(_clock(started, clock)) for clock, told in _COLUMNS)


def _joined(seconds: Iterable[float]) -> str:
    return " | ".join(f"{value:.2f}" for value in seconds) + " |"


def _clock(started: Sequence[Started], clock: int) -> list[float]:
    return [each.imported[clock] for each in started]


if __name__ == "__main__":
    sys.exit(main())
