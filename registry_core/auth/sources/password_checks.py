"""Checks of passwords: slow, so off the event loop, and shared out fairly under a flood of guesses.

A few checks run at a time. The next one is that of the network with the fewest recent failures, and
within it, or among networks alike, of the user name with the fewest: a flood of wrong passwords
waits behind everybody else, and is refused first once too many wait. A network is an IPv4 address,
or 64 bits of an IPv6 address, which a single client can choose from freely.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv6Address
from itertools import count
from typing import TypeAlias

from ...caches import Cache
from ...spec.errors import TooManyRequests

THREADS = 2
WAITING = 128  # the most checks that wait for a thread
LONGEST_WAIT = 10.0  # in seconds
RETRY_SECONDS = 2

PASSED_SECONDS, PASSED_ENTRIES = 300.0, 4096
# Long enough for a program that repeats a wrong password, short enough for whoever corrects a file.
FAILED_SECONDS, FAILED_ENTRIES = 10.0, 4096
# How long a failure counts against its network and user name, and a success for them.
BLAME_SECONDS, TRUST_SECONDS, ENTRIES = 60.0, 3600.0, 4096

_Rank: TypeAlias = tuple[int, int, int, bool, int]


@dataclass
class _Results:
    """What checks against one state of the password file have found, by a hash of credentials."""

    passed: Cache[bytes, bool] = field(
        default_factory=lambda: Cache(PASSED_SECONDS, capacity=PASSED_ENTRIES)
    )
    failed: Cache[bytes, bool] = field(
        default_factory=lambda: Cache(FAILED_SECONDS, capacity=FAILED_ENTRIES)
    )
    pending: dict[tuple[bytes, bytes], _Attempt] = field(default_factory=dict)

    def known(self, credentials: bytes) -> bool | None:
        """Return the result of an earlier check; None if there was none."""
        if self.passed.get(credentials):
            return True
        return False if self.failed.get(credentials) else None


@dataclass(eq=False)
class _Attempt:
    """A check that waits or runs. All but ``check`` are hashes: nothing of a client's is kept.

    ``name`` stands for the user name, ``pair`` for the user name and the network.
    ``callers``: how many requests wait for the answer.
    """

    credentials: bytes
    name: bytes
    network: bytes
    pair: bytes
    check: Callable[[], bool]
    results: _Results
    order: int
    answer: asyncio.Future[bool]
    began: float = field(default_factory=time.monotonic)
    callers: int = 0


class PasswordChecks:
    """Runs checks fairly, one at a time for equal credentials from one network.

    Credentials that passed are cached for some minutes, those that failed for some seconds, by a
    keyed hash; neither names nor passwords are kept. All tables are bounded.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "password")
        self._key = secrets.token_bytes(32)
        self._waiting: list[_Attempt] = []
        self._running = 0
        self._numbers = count()
        self._failures: Cache[bytes, int] = Cache(BLAME_SECONDS, capacity=3 * ENTRIES)
        self._trusted: Cache[bytes, bool] = Cache(TRUST_SECONDS, capacity=2 * ENTRIES)
        self.forget()

    def forget(self) -> None:
        """Forget all results, and what the checks under way find: passwords may have changed."""
        self._results = _Results()

    async def passes(
        self, name: bytes, password: bytes, check: Callable[[], bool], *, client: str = ""
    ) -> bool:
        """Return the result of ``check``, or of an earlier one of the same name and password.

        :param client: the address of the client; clients whose addresses are unknown share one.
        :raises TooManyRequests: too many others are waiting, or this one has waited for too long.
        """
        credentials = self._hash(b"credentials", name, password)
        known = self._results.known(credentials)
        if known is not None:
            return known
        network = self._hash(b"network", _network(client).encode(errors="surrogatepass"))
        attempt = self._results.pending.get((credentials, network))
        if attempt is None:
            attempt = self._add(credentials, name, network, check)
        attempt.callers += 1
        try:
            self._fill_threads()
            if len(self._waiting) > WAITING:  # perhaps by this attempt, perhaps not
                self._refuse(max(self._waiting, key=self._rank))
            # A client that disconnects cancels its own request, not what the others wait for.
            return await asyncio.shield(attempt.answer)
        finally:
            attempt.callers -= 1

    def _add(
        self, credentials: bytes, name: bytes, network: bytes, check: Callable[[], bool]
    ) -> _Attempt:
        attempt = _Attempt(
            credentials,
            self._hash(b"name", name),
            network,
            self._hash(b"pair", name, network),
            check,
            self._results,
            next(self._numbers),
            asyncio.get_running_loop().create_future(),
        )
        self._waiting.append(attempt)
        attempt.results.pending[credentials, network] = attempt
        return attempt

    def _rank(self, attempt: _Attempt) -> _Rank:
        """Return what attempts are ordered by; the smallest is next.

        A user who has logged in from a network before does not pay for what others do there, nor
        for what is tried under their name elsewhere. A name that is guessed from ever new networks
        is not preferred to others. That a name is preferred shows at most that its user logged in
        a short while ago, never whether a user exists.
        """
        own = self._failures.get(attempt.pair) or 0
        is_unfamiliar = self._trusted.get(attempt.name) is None
        if self._trusted.get(attempt.pair) is not None:
            return own, own, 0, is_unfamiliar, attempt.order
        of_network = self._failures.get(attempt.network) or 0
        of_name = self._failures.get(attempt.name) or 0
        return of_network, own, of_name, is_unfamiliar, attempt.order

    def _fill_threads(self) -> None:
        self._drop_abandoned()
        while self._waiting and self._running < THREADS:
            attempt = min(self._waiting, key=self._rank)
            self._waiting.remove(attempt)
            known = attempt.results.known(attempt.credentials)  # checked for another network
            if known is None:
                self._run(attempt)
            else:
                self._settle(attempt, passed=known)

    def _drop_abandoned(self) -> None:
        """Drop the attempts of clients that have disconnected; refuse those that wait too long."""
        oldest = time.monotonic() - LONGEST_WAIT
        for attempt in [a for a in self._waiting if not a.callers or a.began < oldest]:
            self._refuse(attempt)

    def _run(self, attempt: _Attempt) -> None:
        self._running += 1
        work = asyncio.get_running_loop().run_in_executor(self._threads, attempt.check)

        def finished(done: asyncio.Future[bool]) -> None:
            self._running -= 1
            if done.cancelled():
                self._refuse(attempt)
            elif error := done.exception():
                self._forget_pending(attempt)
                _fail(attempt.answer, error)
            else:
                self._note(attempt, passed=done.result())
                self._settle(attempt, passed=done.result())
            self._fill_threads()

        work.add_done_callback(finished)

    def _note(self, attempt: _Attempt, *, passed: bool) -> None:
        results = attempt.results
        (results.passed if passed else results.failed).put(attempt.credentials, value=True)
        if passed:
            self._failures.forget(attempt.pair)
            self._trusted.put(attempt.pair, value=True)
            self._trusted.put(attempt.name, value=True)
        else:
            for key in (attempt.pair, attempt.network, attempt.name):
                self._failures.put(key, (self._failures.get(key) or 0) + 1)

    def _settle(self, attempt: _Attempt, *, passed: bool) -> None:
        self._forget_pending(attempt)
        if not attempt.answer.done():
            attempt.answer.set_result(passed)

    def _refuse(self, attempt: _Attempt) -> None:
        if attempt in self._waiting:
            self._waiting.remove(attempt)
        self._forget_pending(attempt)
        headers = {"Retry-After": str(RETRY_SECONDS)}
        message = f"too many logins at once; try again in {RETRY_SECONDS} seconds"
        _fail(attempt.answer, TooManyRequests(message, headers=headers))

    def _forget_pending(self, attempt: _Attempt) -> None:
        attempt.results.pending.pop((attempt.credentials, attempt.network), None)

    def _hash(self, *parts: bytes) -> bytes:
        """Return a keyed hash, in which the boundaries of the parts count."""
        message = b"".join(b"%d:%b" % (len(part), part) for part in parts)
        return hashlib.blake2b(message, key=self._key, digest_size=32).digest()


def _fail(answer: asyncio.Future[bool], error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
        answer.exception()  # retrieved, or asyncio would warn if all callers have disconnected


def _network(client: str) -> str:
    """Return what stands for an address: the first 64 bits of IPv6, otherwise all of it."""
    if ":" not in client:
        return client
    try:
        return str(int(IPv6Address(client)) >> 64)
    except AddressValueError:
        return client
