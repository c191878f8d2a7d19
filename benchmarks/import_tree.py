"""What an import is made of, as ``python -X importtime`` tells it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Microseconds of its own, and with all that it imports; two blanks more for each level below.
_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| ( *)(\S+)")


@dataclass(frozen=True)
class Imported:
    """A module that was imported for the first time. ``depth`` is 0 at the top. In seconds."""

    name: str
    depth: int
    own: float
    whole: float


@dataclass(frozen=True)
class Package:
    """``own`` is what its modules took themselves, ``whole`` with what they brought along."""

    name: str
    modules: int
    own: float
    whole: float


def parse_import_times(text: str) -> list[Imported]:
    """In the order in which they were ready: a module comes after what it imports."""
    return [
        Imported(name, len(indent) // 2, int(own) / 1e6, int(whole) / 1e6)
        for own, whole, indent, name in _LINE.findall(text)
    ]


def packages(modules: Sequence[Imported], package_of: Callable[[str], str]) -> list[Package]:
    """What each package took, the dearest first. ``package_of`` says whose a module is.

    What a package brings along is counted where it was imported from outside of it.
    """
    own: dict[str, dict[str, float]] = {}
    whole: dict[str, float] = {}
    above: dict[int, str] = {}
    for module in reversed(modules):  # from the top: first who imports, then what is imported
        package = package_of(module.name)
        times = own.setdefault(package, {})
        times[module.name] = times.get(module.name, 0) + module.own  # some are told twice
        if package not in {above[depth] for depth in range(module.depth)}:
            whole[package] = whole.get(package, 0) + module.whole
        above[module.depth] = package
    found = [
        Package(name, len(times), sum(times.values()), whole[name]) for name, times in own.items()
    ]
    return sorted(found, key=lambda package: package.own, reverse=True)


def calmest(runs: Sequence[Sequence[Imported]]) -> Sequence[Imported]:
    """The run that took least in all: others used the machine less then."""
    return min(runs, key=lambda run: sum(module.own for module in run))
