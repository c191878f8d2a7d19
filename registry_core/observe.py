"""How many calls to storage something took: each is billed, and is told to the log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class Tally:
    """Requests that left for storage, retries included."""

    calls: int = 0


_tally: ContextVar[Tally | None] = ContextVar("tally", default=None)


@contextmanager
def tallying(tally: Tally) -> Iterator[None]:
    """Count in ``tally`` what is called inside, in tasks that begin inside too."""
    outer = _tally.set(tally)
    try:
        yield
    finally:
        _tally.reset(outer)


def count_call() -> None:
    """A request has left for storage."""
    if tally := _tally.get():
        tally.calls += 1
