"""Storage calls, counted at the store: the lines that its access log grows by.

Azurite writes one line per request to its standard output (Apache's common log format), unless it
is started with `--silent`. Nothing stands between the registry and its storage then, so that
signatures, redirects and speed are what they always are.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

QUIET_SECONDS = 0.25
DEADLINE_SECONDS = 20.0

_REQUEST = re.compile(rb'"([A-Z]{3,7}) (\S+) HTTP/')


class AccessLog:
    """The access log of one store, on which nothing but one registry works at the time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def calls_of(self, action: Callable[[], object]) -> list[str]:
        """Do `action` and return the storage calls it led to, each as ``METHOD target``.

        Calls that follow the registry's answer count too: they are waited for until none has come
        for a while.

        :raises TimeoutError: when the log does not come to rest.
        """
        start = self._size_at_rest()
        action()
        end = self._size_at_rest()
        with self._path.open("rb") as log:
            log.seek(start)
            written = log.read(end - start)
        return [f"{match[1].decode()} {match[2].decode()}" for match in _REQUEST.finditer(written)]

    def _size_at_rest(self) -> int:
        deadline = time.monotonic() + DEADLINE_SECONDS
        size, since = self._path.stat().st_size, time.monotonic()
        while time.monotonic() - since < QUIET_SECONDS:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._path} still grows after {DEADLINE_SECONDS:g} s")
            time.sleep(0.01)
            if (now := self._path.stat().st_size) != size:
                size, since = now, time.monotonic()
        return size
