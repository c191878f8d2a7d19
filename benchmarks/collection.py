"""`python -m benchmarks.collection`: calls, time and memory of collecting garbage.

A large container is made in memory, or with `--azurite` in Azurite, and collected until nothing is
left to do. Between two runs in memory some days pass; in Azurite nothing waits: grace is nought.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import cast

from registry_core.maintenance.doctor import DoctorOptions, DoctorReport, examine
from registry_core.maintenance.gc import GcOptions, GcReport, collect
from registry_core.maintenance.gc.report import Part
from registry_core.object_store.azure import AzureBlobStore
from registry_core.object_store.interface import ObjectStore
from registry_core.serve.azurite import Azurite, AzuriteError
from registry_core.storage.layout import Layout
from tools.cost.measured import read_measured
from tools.process_meter import ProcessMeter

from .hosts import new_storage
from .large_container import Shape, fill
from .metered_store import MeteredStore, SortedStore
from .scale import MIB
from .sheet import Row, Sheet

_MOST_RUNS = 6
_BETWEEN_RUNS = timedelta(days=3)
_AT_ONCE = timedelta(0)
_TICK = 1.1  # seconds: storage counts in whole ones

_CLASSES = {"list_page": "list", "get_range": "get"}
"""Methods that the bill knows by another name."""


@dataclass(frozen=True)
class Subject:
    """A container to collect: its store, the options, and what is done before each run."""

    store: ObjectStore
    options: GcOptions
    wait: Callable[[], Awaitable[None]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns 1 when measuring failed."""
    options = _parser().parse_args(arguments)
    shape = Shape(options.repositories, options.blobs)
    if options.quick:
        shape = Shape(repositories=2, blobs=200)
    try:
        print(asyncio.run(_measure(shape, options)))
    except (AzuriteError, OSError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.collection", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small container: a smoke test")
    parser.add_argument("--azurite", action="store_true", help="on Azurite instead of in memory")
    parser.add_argument("--repositories", type=int, default=Shape.repositories, metavar="N")
    parser.add_argument("--blobs", type=int, default=Shape.blobs, metavar="N")
    parser.add_argument(
        "--latency-ms", type=float, default=5.0, metavar="N", help="of each call in memory"
    )
    return parser


async def _measure(shape: Shape, options: argparse.Namespace) -> str:
    """Collect a new container until nothing is left to do, and return the tables.

    :raises OSError: garbage is left, or more than garbage is gone.
    """
    opened = _in_azurite() if options.azurite else _in_memory()
    async with opened as subject:
        began = time.perf_counter()
        objects = await fill(subject.store, shape, Layout())
        print(f"wrote {objects:,} objects in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        await _check(subject.store, shape.garbage_blobs - shape.linked_garbage)
        latency = 0.0 if options.azurite else options.latency_ms / 1000
        store = MeteredStore(subject.store, latency)
        runs: list[tuple[str, _Run]] = []
        while not runs or runs[-1][1].has_acted:
            if len(runs) == _MOST_RUNS:
                raise OSError(f"after {_MOST_RUNS} runs something is still condemned or deleted")
            await subject.wait()
            run = await _collect(store, subject.options)
            runs.append((f"run {len(runs) + 1}: {run.summary}", run))
        deleted = sum(run.deleted_content for _, run in runs)
        if deleted != shape.garbage_blobs:
            raise OSError(f"{deleted} blobs were deleted instead of {shape.garbage_blobs}")
        await _check(subject.store, 0)
    return _tables(runs)


async def _check(store: ObjectStore, unreferenced: int) -> None:
    """Have the doctor look at the container.

    :raises OSError: something is wrong with it, or not so many blobs are unreferenced.
    """
    report = DoctorReport()
    await examine(store, report, DoctorOptions(), lambda _: None)
    if report.found or report.unreferenced.number != unreferenced:
        raise OSError(f"the doctor finds {report.to_json()}")


@contextlib.asynccontextmanager
async def _in_memory() -> AsyncIterator[Subject]:
    store = SortedStore()

    async def wait() -> None:
        store.age(_BETWEEN_RUNS)

    yield Subject(store, GcOptions(), wait)


@contextlib.asynccontextmanager
async def _in_azurite() -> AsyncIterator[Subject]:
    async def wait() -> None:
        await asyncio.sleep(_TICK)

    with tempfile.TemporaryDirectory() as folder, Azurite(Path(folder)) as azurite:
        settings, _ = new_storage(azurite)
        container = settings["REGISTRY_STORAGE_AZURE_CONTAINER"]
        store = AzureBlobStore.from_connection_string(azurite.connection_string, container)
        try:
            yield Subject(store, GcOptions(grace=_AT_ONCE, young=_AT_ONCE), wait)
        finally:
            await store.close()


@dataclass(frozen=True)
class _Run:
    """A run: its report, the calls and items by method, and what it took."""

    report: GcReport
    calls: dict[str, int]
    items: dict[str, int]
    seconds: float
    cpu_seconds: float
    peak: int
    """Bytes beyond what the process had before."""

    @property
    def condemned(self) -> int:
        return sum(count.condemned for count in self.report.parts.values())

    @property
    def deleted(self) -> int:
        return sum(count.deleted for count in self.report.parts.values())

    @property
    def deleted_content(self) -> int:
        return self.report.parts[Part.CONTENT].deleted

    @property
    def has_acted(self) -> bool:
        return bool(self.condemned or self.deleted)

    @property
    def summary(self) -> str:
        return f"condemns {self.condemned:,}, deletes {self.deleted:,}"


async def _collect(store: MeteredStore, options: GcOptions) -> _Run:
    meter = ProcessMeter(os.getpid())
    store.take()
    before, cpu, began = meter.resident(), meter.cpu_seconds(), time.perf_counter()
    with meter.peak_memory() as peak:
        metered = cast("ObjectStore", store)
        report = await collect(metered, Layout(), options, on_progress=lambda _: None)
    seconds = time.perf_counter() - began
    calls, items = store.take()
    spent = meter.cpu_seconds() - cpu
    return _Run(report, dict(calls), dict(items), seconds, spent, max(0, peak.size - before))


def _tables(runs: Sequence[tuple[str, _Run]]) -> str:
    sheet = Sheet([name for name, _ in runs])
    classes = read_measured().classes
    for name, run in runs:
        for method, count in sorted(run.calls.items()):
            sheet.add(Row("Calls", method, classes[_CLASSES.get(method, method)]), name, count)
        for method, count in sorted(run.items.items()):
            sheet.add(Row("Calls", f"objects in {method}", ""), name, count)
        sheet.add(Row("Time and memory", "duration", "s"), name, run.seconds)
        sheet.add(Row("Time and memory", "CPU", "s"), name, run.cpu_seconds)
        sheet.add(Row("Time and memory", "peak memory, additional", "MiB"), name, run.peak / MIB)
    return sheet.markdown()


if __name__ == "__main__":
    sys.exit(main())
