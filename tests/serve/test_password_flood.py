"""A right password gets in while 80 connections send wrong ones, over real connections."""

from __future__ import annotations

import base64
import http.client
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import pytest

from registry_core.auth.sources.htpasswd import htpasswd_line
from registry_core.serve.azurite import Azurite
from tests.support.azurite import create_container
from tests.support.eventually import until
from tests.support.host import RunningHost, start_host

CONNECTIONS = 80
COST = 10  # the default of `auth hash`
SECONDS = 2.0
ATTACKER = "203.0.113.9"
USERS = ("alice", "bob", "carol")


@pytest.fixture(scope="module")
def host(azurite: Azurite) -> Iterator[RunningHost]:
    hashed = htpasswd_line("any", "right", COST).partition(":")[2]
    settings = {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": create_container(azurite),
        "REGISTRY_HTTP_SECRET": "a secret of the tests, long enough for everybody",
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_PATH": "".join(f"{user}:{hashed}\n" for user in USERS),
    }
    with start_host(settings) as running:
        yield running


class Client:
    """A connection from an address, as a proxy on this machine forwards it."""

    def __init__(self, host: RunningHost, address: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", host.port, timeout=60)
        self._address = address

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def log_in(self, user: str, password: str) -> int:
        """Return the status of the answer."""
        credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}", "X-Forwarded-For": self._address}
        self._connection.request("GET", "/v2/", headers=headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status


class Flood:
    """Guesses over many connections from one address: half of them for one user."""

    def __init__(self, host: RunningHost) -> None:
        self.answers: Counter[int] = Counter()
        self._host = host
        self._guesses = itertools.count()
        self._over = threading.Event()
        self._threads = ThreadPoolExecutor(CONNECTIONS)

    def __enter__(self) -> Self:
        for user in itertools.islice(itertools.cycle(["bob", "mallory"]), CONNECTIONS):
            self._threads.submit(self._guess, user)
        until(lambda: self.answers[401] > 2)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._threads.shutdown()

    def _guess(self, user: str) -> None:
        with Client(self._host, ATTACKER) as client:
            while not self._over.is_set():
                self.answers[client.log_in(user, f"wrong {next(self._guesses)}")] += 1


def test_a_right_password_gets_in_within_two_seconds_while_80_connections_send_wrong_ones(
    host: RunningHost,
) -> None:
    """Of the user who is attacked; of another one from the attacker's address; of anybody else."""
    logins = [("bob", "198.51.100.1"), ("carol", ATTACKER), ("alice", "2001:db8::1")]
    with Flood(host) as flood:
        for user, address in logins:
            began = time.monotonic()
            with Client(host, address) as client:
                assert client.log_in(user, "right") == 200
            assert time.monotonic() - began < SECONDS, (user, address)
    assert set(flood.answers) <= {401, 429}
