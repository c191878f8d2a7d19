"""What a request did, and the limit of what it does at the same time: its calls to storage.

Storage counts where it sends, the server reads where it logs; a context variable joins the two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field

MAX_PARALLEL_CALLS = 32
"""The most calls to storage that one request has under way, whatever runs in parallel in it."""


def _slots() -> asyncio.Semaphore:
    return asyncio.Semaphore(MAX_PARALLEL_CALLS)


@dataclass
class Activity:
    """``storage_calls``: requests sent to storage, retries included. Each of them is billed."""

    storage_calls: int = 0
    slots: asyncio.Semaphore = field(default_factory=_slots, repr=False, compare=False)


_current: ContextVar[Activity | None] = ContextVar("activity", default=None)
_UNLIMITED = nullcontext()


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


def storage_slot() -> AbstractAsyncContextManager[None]:
    """Return what a call to storage is made in: it waits while its request has too many under way.

    A call must not be made within another one. Outside of requests nothing waits.
    """
    activity = _current.get()
    return activity.slots if activity else _UNLIMITED
