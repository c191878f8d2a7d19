"""One run: the registries, their sheet of results, and the handling of failures."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

from tools.process_meter import ProcessMeter

from .connection import Unexpected
from .scale import Scale
from .sheet import Row, Sheet
from .storage import BareStorage

FAILURES = (Unexpected, HTTPException, OSError)


@dataclass(frozen=True)
class Registry:
    """A registry to measure, and what is known of it besides its URL."""

    name: str
    url: str
    pid: int | None = None
    """The serving process, on this machine."""
    storage_log: Path | None = None
    """The access log of its storage."""
    seed_url: str | None = None
    """Another instance on the same storage, which pushes what the measured one reads cold."""
    streaming_url: str | None = None
    """Another instance on the same storage, which does not redirect."""
    streaming_pid: int | None = None

    def meter(self) -> ProcessMeter | None:
        """Return the meter of the serving process, if that is known."""
        return None if self.pid is None else ProcessMeter(self.pid)


@dataclass(frozen=True)
class Timing:
    """The wall-clock seconds of an action, and the CPU seconds of the serving process if known."""

    seconds: float
    cpu_seconds: float | None


@dataclass
class Run:
    """Registries and bare storage, measured at one scale into one sheet."""

    registries: Sequence[Registry]
    scale: Scale
    storage: BareStorage | None = None
    sheet: Sheet = field(init=False)
    namespace: str = field(init=False)
    """The prefix of all repository names of this run."""

    def __post_init__(self) -> None:
        names = [registry.name for registry in self.registries]
        bare = [self.storage.name] if self.storage else []
        of_two = [(names[0], names[1])] if len(names) == 2 else []
        of_bare = [(name, storage) for name in names for storage in bare]
        self.sheet = Sheet([*names, *bare], ratios=[*of_two, *of_bare])
        self.namespace = f"benchmark-{os.urandom(4).hex()}"
        self._deadline = time.monotonic() + self.scale.limit_seconds

    def attempt(self, column: str, what: str, measure: Callable[[], None]) -> None:
        """Run `measure`; record a failure, or the end of the time limit, and continue."""
        if time.monotonic() > self._deadline:
            self._problem(
                f"{what}, {column}: over the time limit of {self.scale.limit_seconds:g} s"
            )
            return
        try:
            measure()
        except FAILURES as error:
            self._problem(f"{what}, {column}: {type(error).__name__}: {error}")

    def add(self, row: Row, registry: Registry, value: float) -> None:
        """Add a sample of `registry`."""
        self.sheet.add(row, registry.name, value)

    def _problem(self, text: str) -> None:
        if text not in self.sheet.problems:
            self.sheet.problems.append(text)


def timed(action: Callable[[], object], meter: ProcessMeter | None = None) -> Timing:
    """Run `action` and return its timing."""
    cpu = meter.cpu_seconds() if meter else 0.0
    started = time.perf_counter()
    action()
    seconds = time.perf_counter() - started
    return Timing(seconds, meter.cpu_seconds() - cpu if meter else None)
