"""What holds for a while only and is fetched anew before that is over: tokens, signing keys."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

_log = logging.getLogger(__name__)

T = TypeVar("T")

# In seconds. What has just failed is not asked for again by each request that comes.
_PATIENCE = 5.0
_PATIENCE_WHILE_IT_HOLDS = 60.0


@dataclass(frozen=True)
class Term(Generic[T]):
    """A value, when to fetch the next one, and when it is used no more: seconds since the epoch."""

    value: T
    renew: float
    ends: float


class Renewed(Generic[T]):
    """Any number may ask at once: one ``fetch`` serves all of them.

    While a value holds nobody waits for the next one, nor minds when it cannot be had yet.
    ``name`` is for the log; ``clock`` counts as `time.time`.
    """

    def __init__(
        self,
        name: str,
        fetch: Callable[[], Awaitable[Term[T]]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self._fetch = fetch
        self._clock = clock
        self._term: Term[T] | None = None
        self._fetching: asyncio.Task[Term[T]] | None = None
        self._failed = float("-inf")

    async def get(self) -> T:
        """What holds now. :raises Exception: whatever ``fetch`` does, when nothing holds."""
        term, now = self._term, self._clock()
        if term is not None and now < term.ends:
            if now >= term.renew:
                _ = self._start(_PATIENCE_WHILE_IT_HOLDS)
            return term.value
        # Who stops waiting takes back his own request, not what the others wait for.
        return (await asyncio.shield(self._start(_PATIENCE))).value

    def drop(self, value: T) -> bool:
        """Let go of a value that was refused, unless a newer one has taken its place.

        Returns whether the next `get` gives another.
        """
        if self._term is not None and self._term.value is value:
            self._term = None
        return self._term is None or self._term.value is not value

    async def close(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            with suppress(asyncio.CancelledError, Exception):  # told to those who waited for it
                await self._fetching

    def _start(self, patience: float) -> asyncio.Task[Term[T]]:
        """The fetch under way, or the one that failed less than ``patience`` ago, or a new one."""
        ended = self._fetching is None or self._fetching.done()
        if self._fetching is None or (ended and self._clock() >= self._failed + patience):
            self._fetching = asyncio.create_task(self._fetch_next())
            self._fetching.add_done_callback(self._note)
        return self._fetching

    async def _fetch_next(self) -> Term[T]:
        self._term = await self._fetch()
        return self._term

    def _note(self, fetched: asyncio.Task[Term[T]]) -> None:
        if fetched.cancelled() or (error := fetched.exception()) is None:
            return
        self._failed = self._clock()
        if self._term is not None and self._clock() < self._term.ends:
            _log.warning("%s is not renewed yet, the old one still holds: %s", self._name, error)
