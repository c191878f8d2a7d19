"""`python -m benchmarks.cold_start`: what a new instance does before its first answer.

New processes import the app, and the Functions extension and aiohttp alone, in turns. No storage
call is made.
"""

from __future__ import annotations

import argparse
import platform
import re
import shutil
import statistics
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.cold_start import (
    ANSWER,
    BASE,
    PROJECT,
    ProcessFailed,
    Started,
    import_times,
    settings,
    start,
)

ROUNDS = 10
SHOWN = 20  # packages
_SPLIT = ("azure", "registry_core")  # packages that are shown by their subpackages
_COLUMNS: Sequence[tuple[int, Callable[[Sequence[float]], float]]] = (
    (1, min),
    (1, statistics.median),
    (0, min),
    (0, statistics.median),
)
"""The columns of most tables: the clock (0 wall, 1 CPU) and the statistic."""
_BASE = "the Functions extension and aiohttp"
_LATER = {
    "the first token (PyJWT)": ("builtin", ("jwt",)),
    "the first password (bcrypt)": ("htpasswd", ("bcrypt",)),
    "the first token for storage (azure-identity)": ("none", ("azure.identity.aio",)),
}
"""What an instance imports when it is first needed: the mode, and the modules."""
_LIBRARY = {name.lstrip("_") for name in sys.stdlib_module_names}

# Microseconds of its own, and with all its imports; two more spaces for each level of nesting.
_IMPORT_TIME = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| ( *)(\S+)")

Case = tuple[tuple[str, ...], Mapping[str, str]]
"""The arguments and the environment of a probe."""


@dataclass(frozen=True)
class Imported:
    """A module imported for the first time, in seconds. ``depth`` is 0 at the top."""

    name: str
    depth: int
    own: float
    whole: float


@dataclass(frozen=True)
class Package:
    """``own``: the seconds of its modules; ``whole``: with everything they imported."""

    name: str
    modules: int
    own: float
    whole: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns 1 when measuring failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_start", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round: a smoke test")
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
    compiled = folder / "all"
    for environment in environments.values():
        everything = (*ANSWER, *(name for _, names in _LATER.values() for name in names))
        start(everything, {**environment, **_bytecode(compiled), "PYTHONDONTWRITEBYTECODE": ""})
    full = _bytecode(compiled)
    modes = {name: (ANSWER, {**environment, **full}) for name, environment in environments.items()}
    base: Case = (BASE, full)
    later: dict[str, Case] = {
        what: ((*ANSWER, *modules), {**environments[mode], **full})
        for what, (mode, modules) in _LATER.items()
    }
    bytecode = {
        name: (ANSWER, {**environments["none"], **_bytecode(part)})
        for name, part in _partial(compiled, folder).items()
    }
    runs = _in_turns({_BASE: base, **modes, **later, **bytecode}, rounds)
    _print_modes(runs[_BASE], {mode: runs[mode] for mode in modes})
    _print_later({what: runs[what] for what in later})
    _print_bytecode({"of everything": runs["none"], **{name: runs[name] for name in bytecode}})
    _print_packages([import_times(*modes["none"]) for _ in range(rounds)])


def _bytecode(folder: Path) -> dict[str, str]:
    return {"PYTHONPYCACHEPREFIX": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}


def _partial(compiled: Path, folder: Path) -> dict[str, Path]:
    """Copy the bytecode without the app's, and that of the standard library only."""
    others, library = folder / "others", folder / "library"
    shutil.copytree(compiled, others)
    project = others / PROJECT.relative_to("/")
    shutil.rmtree(project / "registry_core")
    for file in project.glob("function_app.*"):
        file.unlink()
    inside = Path(sysconfig.get_path("stdlib")).relative_to("/")
    installed = shutil.ignore_patterns("site-packages", "dist-packages")
    shutil.copytree(compiled / inside, library / inside, ignore=installed)
    return {"of what is installed": others, "of the standard library": library}


def _in_turns(cases: Mapping[str, Case], rounds: int) -> dict[str, list[Started]]:
    runs: dict[str, list[Started]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            runs[name].append(start(*case))
    return runs


def _print_modes(base: Sequence[Started], runs: Mapping[str, list[Started]]) -> None:
    """The first `/v2/` after the import opens the application."""
    print(
        "\n| import: CPU | min, s | median | above: min | median | first /v2/, min, ms | modules |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    least, middle = _least_and_median(base)
    print(f"| {_BASE} | {least:.2f} | {middle:.2f} | | | | {len(base[0].modules)} |")
    for mode, started in runs.items():
        cpu, median = _least_and_median(started)
        above = f"{cpu - least:.2f} | {median - middle:.2f}"
        answered = 1000 * min(each.answered[1] for each in started)
        modules = len(started[0].modules)
        print(f"| {mode} | {cpu:.2f} | {median:.2f} | {above} | {answered:.0f} | {modules} |")


def _least_and_median(started: Sequence[Started]) -> tuple[float, float]:
    cpu = _clock(started, 1)
    return min(cpu), statistics.median(cpu)


def _print_later(runs: Mapping[str, list[Started]]) -> None:
    print("\n| imported after the start, by | CPU, min, ms | median |")
    print("|---|---:|---:|")
    for what, started in runs.items():
        cpu = [1000 * each.later[1] for each in started]
        print(f"| {what} | {min(cpu):.0f} | {statistics.median(cpu):.0f} |")


def _print_bytecode(runs: Mapping[str, list[Started]]) -> None:
    print("\n| bytecode exists | CPU, min, s | median | wall clock, min, s | median |")
    print("|---|---:|---:|---:|---:|")
    for name, started in runs.items():
        print(f"| {name} |", _cells(started))


def _print_packages(texts: Sequence[str]) -> None:
    """`-X importtime` makes every import a little slower."""
    runs = [_parse_import_times(text) for text in texts]
    fastest = min(runs, key=lambda run: sum(module.own for module in run))
    print("\n| package | modules | own, ms | with its imports, ms |")
    print("|---|---:|---:|---:|")
    for package in _packages(fastest)[:SHOWN]:
        own, whole = 1000 * package.own, 1000 * package.whole
        print(f"| {package.name} | {package.modules} | {own:.0f} | {whole:.0f} |")


def _parse_import_times(text: str) -> list[Imported]:
    """Parse the output of `-X importtime`: a module follows the modules that it imports."""
    return [
        Imported(name, len(indent) // 2, int(own) / 1e6, int(whole) / 1e6)
        for own, whole, indent, name in _IMPORT_TIME.findall(text)
    ]


def _packages(modules: Sequence[Imported]) -> list[Package]:
    """Add up the modules of each package, the slowest package first.

    ``whole`` counts an import of a package only where another package made it.
    """
    own: dict[str, dict[str, float]] = {}
    whole: dict[str, float] = {}
    above: dict[int, str] = {}
    for module in reversed(modules):  # from the top: the importing module first
        package = _package_of(module.name)
        times = own.setdefault(package, {})
        times[module.name] = times.get(module.name, 0) + module.own  # some appear twice
        if package not in {above[depth] for depth in range(module.depth)}:
            whole[package] = whole.get(package, 0) + module.whole
        above[module.depth] = package
    found = [
        Package(name, len(times), sum(times.values()), whole[name]) for name, times in own.items()
    ]
    return sorted(found, key=lambda package: package.own, reverse=True)


def _package_of(module: str) -> str:
    first, *others = module.split(".")
    if first.lstrip("_") in _LIBRARY:
        return "the standard library"
    return f"{first}.{others[0]}" if first in _SPLIT and others else first


def _cells(started: Sequence[Started]) -> str:
    return _joined(statistic(_clock(started, clock)) for clock, statistic in _COLUMNS)


def _joined(seconds: Iterable[float]) -> str:
    return " | ".join(f"{value:.2f}" for value in seconds) + " |"


def _clock(started: Sequence[Started], clock: int) -> list[float]:
    return [each.imported[clock] for each in started]


if __name__ == "__main__":
    sys.exit(main())
