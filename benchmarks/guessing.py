"""How long a right password takes to be accepted while others guess: part of `benchmarks.auth`.

Guesses come over many connections, each with one request at a time. Addresses are those that a
proxy on this machine would forward.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from .connection import Connection

CONNECTIONS = 80
_SETTLE_SECONDS = 1.0
_ATTACKER, _ELSEWHERE = "203.0.113.9", "198.51.100.1"
_ANSWERS = (200, 401, 429, 503)

Basic = Callable[[str, str], str]
"""Returns the header ``Authorization`` for a user and a password."""


@dataclass(frozen=True)
class Attack:
    """The user names that are guessed, and the address that the right password comes from."""

    name: str
    victim: str
    address: str
    guessed: Callable[[int], str]


@dataclass(frozen=True)
class Result:
    """Seconds to the first right answer, and how guesses were answered per second."""

    attack: Attack
    seconds: float
    tries: int
    answers: Counter[int]
    duration: float

    def row(self) -> str:
        """Return the row of the table."""
        checked, refused = (self.answers[status] / self.duration for status in (401, 429))
        name = self.attack.name
        return f"| {name} | {self.seconds:.2f} | {self.tries} | {checked:.0f} | {refused:.0f} |"


HEADER = (
    f"| guesses over {CONNECTIONS} connections | accepted after, s | tries | guesses checked/s | "
    "refused/s |\n|---|---:|---:|---:|---:|"
)


def attacks(users: Sequence[str]) -> Iterator[Attack]:
    """Yield the attacks, each on another user, since a right password is remembered."""
    elsewhere, here, new_names, own = users[:4]
    yield Attack("for this user, from another address", elsewhere, _ELSEWHERE, lambda _: elsewhere)
    yield Attack("for another user, from the same address", here, _ATTACKER, lambda _: "mallory")
    yield Attack(
        "under ever new names, from the same address", new_names, _ATTACKER, lambda n: f"x{n}"
    )
    yield Attack("for this user, from the same address", own, _ATTACKER, lambda _: own)


def measure(url: str, attack: Attack, basic: Basic, password: str) -> Result:
    """Run an attack until the right password is accepted.

    :param basic: makes the header ``Authorization``.
    :raises OSError, http.client.HTTPException: a connection of the victim fails.
    """
    with _flood(url, attack, basic) as flood, Connection(url) as connection:
        began, tries = time.perf_counter(), 1
        while _log_in(connection, basic(attack.victim, password), attack.address) != 200:
            tries += 1
        seconds = time.perf_counter() - began
        answers, duration = flood.answers.copy(), time.perf_counter() - flood.began
    return Result(attack, seconds, tries, answers, duration)


@dataclass
class _Flood:
    """Guesses under way: how they were answered so far."""

    url: str
    attack: Attack
    basic: Basic
    answers: Counter[int] = field(default_factory=Counter)
    began: float = field(default_factory=time.perf_counter)
    over: threading.Event = field(default_factory=threading.Event)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def guess(self) -> None:
        """Send wrong passwords over one connection, one after the other."""
        with Connection(self.url) as connection:
            while not self.over.is_set():
                number = next(self.numbers)
                header = self.basic(self.attack.guessed(number), f"wrong {number}")
                self.answers[_log_in(connection, header, _ATTACKER)] += 1


@contextlib.contextmanager
def _flood(url: str, attack: Attack, basic: Basic) -> Iterator[_Flood]:
    flood = _Flood(url, attack, basic)
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        for _ in range(CONNECTIONS):
            threads.submit(flood.guess)
        time.sleep(_SETTLE_SECONDS)
        try:
            yield flood
        finally:
            flood.over.set()


def _log_in(connection: Connection, authorization: str, address: str) -> int:
    headers = {"Authorization": authorization, "X-Forwarded-For": address}
    return connection.request("GET", "/v2/", headers=headers, expect=_ANSWERS).status
