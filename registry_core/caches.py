"""The cache of all layers: bounded by size, with or without an expiry."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

_ENTRIES = 10_000


def boot_time() -> float:
    """Return the seconds since the machine started, with those for which it was suspended.

    Other clocks of Python's stand still then, and what is cached seems to be fresh afterwards.
    """
    return time.clock_gettime(_SUSPENSION_COUNTS)


# Linux has a clock of its own for that; elsewhere the monotonic one counts suspension.
_SUSPENSION_COUNTS = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _one(_value: object) -> int:
    return 1


class Cache(Generic[Key, Value]):
    """A mapping that forgets: values expire, and the least recently used make room for others.

    A cache belongs to one event loop. It is not safe for threads.
    """

    def __init__(
        self,
        seconds: float = math.inf,
        *,
        capacity: int = _ENTRIES,
        size_of: Callable[[Value], int] = _one,
        now: Callable[[], float] = boot_time,
    ) -> None:
        """Make an empty cache.

        :param seconds: how long a value is kept; with 0, nothing is.
        :param capacity: the size of all values together, by default their number.
        :param size_of: returns the size of a value, which must not change.
        :param now: the clock, in seconds.
        """
        self._seconds = seconds
        self._capacity = capacity
        self._size_of = size_of
        self._now = now
        self._held: OrderedDict[Key, tuple[float, Value]] = OrderedDict()
        self._size = 0

    def get(self, key: Key) -> Value | None:
        """Return the value, or None if it is missing or has expired."""
        held = self._held.get(key)
        if held is None:
            return None
        expires, value = held
        if expires <= self._now():
            self.forget(key)
            return None
        self._held.move_to_end(key)
        return value

    def put(self, key: Key, value: Value) -> None:
        """Keep a value, unless it alone is larger than the capacity."""
        self.forget(key)
        size = self._size_of(value)
        if self._seconds <= 0 or size > self._capacity:
            return
        self._held[key] = (self._now() + self._seconds, value)
        self._size += size
        while self._size > self._capacity:
            self.forget(next(iter(self._held)))

    def forget(self, key: Key) -> None:
        """Drop the value, if there is one."""
        held = self._held.pop(key, None)
        if held is not None:
            self._size -= self._size_of(held[1])

    def clear(self) -> None:
        """Drop all values."""
        self._held.clear()
        self._size = 0
