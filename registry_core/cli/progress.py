"""Progress of a command on standard error: bars on a terminal, otherwise a line now and then.

Also the quantities and times of all commands, as text.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime

from ..maintenance.walk import OnProgress, Progress
from .options import is_terminal

_SECONDS_BETWEEN_LINES = 10.0


def show_progress() -> AbstractContextManager[OnProgress]:
    """Return a context whose value shows the `Progress` it is called with."""
    return _bars() if is_terminal(sys.stderr) else _lines()


def format_quantity(number: int, unit: str) -> str:
    """Return a number with its unit; bytes in the largest binary unit that fits."""
    if unit != "bytes":
        return f"{number:,} {unit}"
    size, units = float(number), iter(("bytes", "KiB", "MiB", "GiB", "TiB"))
    name = next(units)
    while size >= 1024 and name != "TiB":
        size, name = size / 1024, next(units)
    return f"{number} bytes" if name == "bytes" else f"{size:.1f} {name}"


def format_age(seconds: float) -> str:
    """Return an age: in days, the first two in hours and minutes."""
    days = int(seconds // 86400)
    return f"{days} days" if days > 1 else f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"


def format_minute(moment: datetime) -> str:
    """Return a time in UTC, to the minute."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


@contextmanager
def _bars() -> Iterator[OnProgress]:
    # Imported here: it takes a tenth of a second, and is not needed in a pipe.
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
    # What is printed meanwhile goes above the bars; into a pipe or a file it goes as ever.
    redirect = is_terminal(sys.stdout)
    console = Console(stderr=True)
    with Bars(*columns, console=console, transient=True, redirect_stdout=redirect) as bars:

        def show(progress: Progress) -> None:
            if progress.stage not in tasks:
                tasks[progress.stage] = bars.add_task(progress.stage, amount="")
            bars.update(
                tasks[progress.stage],
                completed=progress.done,
                total=progress.total,
                amount=_format_amount(progress),
            )

        yield show


@contextmanager
def _lines() -> Iterator[OnProgress]:
    shown_at = time.monotonic()

    def show(progress: Progress) -> None:
        nonlocal shown_at
        now = time.monotonic()
        if now - shown_at >= _SECONDS_BETWEEN_LINES:
            shown_at = now
            amount = _format_amount(progress)
            print(f"registry: {progress.stage}: {amount}", file=sys.stderr, flush=True)

    yield show


def _format_amount(progress: Progress) -> str:
    done = format_quantity(progress.done, progress.unit)
    if progress.total is None:
        return done
    return f"{done} of {format_quantity(progress.total, progress.unit)}"
