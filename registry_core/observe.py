"""What a request did: the storage calls that it caused, for the access log.

Storage counts where it sends, the server reads where it logs; a context variable joins the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class Activity:
    """``storage_calls``: requests sent to storage, retries included. Each of them is billed."""

    storage_calls: int = 0


_current: ContextVar[Activity | None] = ContextVar("activity", default=None)


@contextmanager
def observed(activity: Activity) -> Iterator[None]:
    """Count in ``activity`` what happens inside, in tasks that start inside as well."""
    outer = _current.set(activity)
    try:
        yield
    finally:
        _current.reset(outer)


def count_storage_call() -> None:
    """Count a request sent to storage."""
    if activity := _current.get():
        activity.storage_calls += 1
