"""Slow checks of passwords: off the event loop, few at a time, and not twice for the same."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ..spec.errors import Unavailable

THREADS = 2
WAITING = 64  # different credentials being checked or waiting; who comes then is to come again
REMEMBERED_SECONDS = 300.0
REMEMBERED = 4096


class PasswordChecks:
    """What passed is remembered for some minutes, by a keyed hash: the secret itself is not kept.

    What failed is not: each try costs its check.
    """

    def __init__(self, seconds: float = REMEMBERED_SECONDS) -> None:
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(THREADS, "password")
        self._key = secrets.token_bytes(32)
        self._passed: dict[bytes, float] = {}
        self._running: dict[bytes, asyncio.Future[bool]] = {}

    def forget(self) -> None:
        """Passwords may have changed. A check under way finds no place to remember it."""
        self._passed, self._running = {}, {}

    async def passes(self, name: bytes, secret: bytes, check: Callable[[], bool]) -> bool:
        """What ``check`` says, or said of the same name and secret.

        :raises Unavailable: too many others are waiting.
        """
        message = b"%d:%b%b" % (len(name), name, secret)
        credentials = hashlib.blake2b(message, key=self._key).digest()
        if self._passed.get(credentials, 0) > time.monotonic():
            return True
        running = self._running.get(credentials) or self._start(credentials, check)
        # Who asked first may hang up: the others who ask the same still wait for it.
        return await asyncio.shield(running)

    def _start(self, credentials: bytes, check: Callable[[], bool]) -> asyncio.Future[bool]:
        passed, running = self._passed, self._running
        if len(running) >= WAITING:
            raise Unavailable("too many logins at once; try again", headers={"Retry-After": "2"})
        future = asyncio.get_running_loop().run_in_executor(self._threads, check)
        running[credentials] = future

        def finished(done: asyncio.Future[bool]) -> None:
            del running[credentials]
            if not done.cancelled() and done.exception() is None and done.result():
                passed.pop(credentials, None)
                passed[credentials] = time.monotonic() + self._seconds
                if len(passed) > REMEMBERED:
                    del passed[next(iter(passed))]

        future.add_done_callback(finished)
        return future
