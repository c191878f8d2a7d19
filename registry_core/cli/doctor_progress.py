"""How far the doctor is, on standard error: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from ..maintenance.doctor import Progress, Tell
from .doctor_text import quantity

_LINE_EVERY = 10.0


def telling() -> AbstractContextManager[Tell]:
    """While this is open, what it is called with is shown."""
    return _bars() if sys.stderr.isatty() else _lines()


@contextmanager
def _bars() -> Iterator[Tell]:
    # Imported here: a tenth of a second, and nobody sees it in a pipe.
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[amount]}"),
        TimeElapsedColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:

        def tell(progress: Progress) -> None:
            if progress.stage not in tasks:
                tasks[progress.stage] = bars.add_task(progress.stage, amount="")
            bars.update(
                tasks[progress.stage],
                completed=progress.done,
                total=progress.total,
                amount=_amount(progress),
            )

        yield tell


@contextmanager
def _lines() -> Iterator[Tell]:
    told = time.monotonic()

    def tell(progress: Progress) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= _LINE_EVERY:
            told = now
            print(f"registry: {progress.stage}: {_amount(progress)}", file=sys.stderr, flush=True)

    yield tell


def _amount(progress: Progress) -> str:
    done = quantity(progress.done, progress.unit)
    if progress.total is None:
        return done
    return f"{done} of {quantity(progress.total, progress.unit)}"
