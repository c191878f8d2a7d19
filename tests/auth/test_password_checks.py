"""Who waits for whom when passwords are guessed. Checks are held back, so that all are queued."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from registry_core.auth.sources import password_checks as module
from registry_core.auth.sources.password_checks import PasswordChecks
from registry_core.spec.errors import TooManyRequests

pytestmark = pytest.mark.anyio

HERE, THERE = "192.0.2.7", "198.51.100.1"
RIGHT = b"right"


class Gate:
    """Checks that begin one after the other once the gate is opened, and in which order."""

    def __init__(self) -> None:
        self.checks = PasswordChecks()
        self.order: list[tuple[str, bytes]] = []
        self._open = threading.Event()
        self._lock = threading.Lock()
        self.tasks: list[asyncio.Task[bool]] = []

    def attempt(self, name: str, password: bytes, client: str = HERE) -> asyncio.Task[bool]:
        def check() -> bool:
            assert self._open.wait(20)
            with self._lock:
                self.order.append((name, password))
            return password == RIGHT

        passes = self.checks.passes(name.encode(), password, check, client=client)
        task = asyncio.create_task(passes)
        self.tasks.append(task)
        return task

    def send(self, name: str, password: bytes, client: str = HERE) -> None:
        """Attempt without an interest in the answer."""
        _ = self.attempt(name, password, client)

    async def close_with(self, *, client: str) -> None:
        """Occupy all threads with checks of a client."""
        self._open.clear()
        for number in range(module.THREADS):
            self.send("busy", b"busy %d" % number, client)
        await queued()
        self.order.clear()

    async def open(self) -> list[tuple[str, bytes]]:
        """Let all checks run, and return their order."""
        self._open.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        return [each for each in self.order if each[0] != "busy"]

    async def fail(self, name: str, times: int, client: str = HERE) -> None:
        """Let checks of a name fail."""
        self._open.set()
        for number in range(times):
            assert not await self.attempt(
                name, b"earlier %d %d" % (number, len(self.order)), client
            )

    async def log_in(self, name: str, client: str = HERE) -> None:
        self._open.set()
        assert await self.attempt(name, RIGHT, client)


async def queued() -> None:
    """Let the tasks that were just created run up to where they wait."""
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.fixture
async def gate(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gate]:
    monkeypatch.setattr(module, "THREADS", 1)
    gate = Gate()
    yield gate
    await gate.open()


async def test_a_newcomer_from_elsewhere_is_next_after_the_check_under_way(gate: Gate) -> None:
    """Also for the user name that is being guessed."""
    await gate.fail("bob", 1, THERE)
    await gate.close_with(client=THERE)
    for number in range(80):
        gate.send("bob", b"guess %d" % number, THERE)
    await queued()
    login = gate.attempt("bob", RIGHT)
    order = await gate.open()
    assert order[0] == ("bob", RIGHT)
    assert await login


async def test_a_newcomer_from_the_same_address_is_next_where_others_are_guessed(
    gate: Gate,
) -> None:
    await gate.fail("bob", 3)
    await gate.close_with(client=HERE)
    for number in range(80):
        gate.send("bob", b"guess %d" % number)
    await queued()
    gate.send("alice", RIGHT)
    assert (await gate.open())[0] == ("alice", RIGHT)


async def test_where_names_are_guessed_too_one_who_was_right_before_is_next(gate: Gate) -> None:
    """From the same address, where every guess has another name."""
    await gate.log_in("alice")
    gate.checks.forget()  # as when the file has changed
    await gate.fail("a stranger", 3)
    await gate.close_with(client=HERE)
    for number in range(80):
        gate.send(f"stranger {number}", b"guess")
    await queued()
    gate.send("alice", RIGHT)
    assert (await gate.open())[0] == ("alice", RIGHT)


async def test_one_who_was_right_before_does_not_pay_for_the_guesses_of_neighbours(
    gate: Gate,
) -> None:
    await gate.log_in("alice")
    gate.checks.forget()
    await gate.fail("a stranger", 5)
    await gate.fail("bob", 1, THERE)
    await gate.close_with(client=THERE)
    gate.send("bob", b"guess", THERE)
    await queued()
    gate.send("alice", RIGHT)
    assert (await gate.open())[0] == ("alice", RIGHT)


async def test_one_who_mistyped_is_before_a_flood_under_ever_new_names(gate: Gate) -> None:
    await gate.fail("alice", 1)
    await gate.fail("a stranger", 3, THERE)
    await gate.close_with(client=THERE)
    gate.send("another stranger", b"guess", THERE)
    await queued()
    gate.send("alice", RIGHT)
    assert (await gate.open())[0] == ("alice", RIGHT)


async def test_a_name_that_was_right_before_is_preferred_from_a_new_address(gate: Gate) -> None:
    """Where every guess comes from another address."""
    await gate.log_in("alice", THERE)
    gate.checks.forget()
    await gate.close_with(client=THERE)
    for number in range(80):
        gate.send(f"stranger {number}", b"guess", f"203.0.113.{number}")
    await queued()
    gate.send("alice", RIGHT, HERE)
    assert (await gate.open())[0] == ("alice", RIGHT)


async def test_a_name_that_is_guessed_from_ever_new_networks_is_not_preferred(gate: Gate) -> None:
    """Though its user was right before. It is easy to have many networks: of IPv6, or rented."""
    await gate.log_in("bob", THERE)
    for number in range(3):
        await gate.fail("bob", 1, f"198.51.100.{number}")
    await gate.close_with(client=THERE)
    for number in range(80):
        gate.send("bob", b"guess", f"203.0.113.{number}")
    await queued()
    gate.send("alice", RIGHT, HERE)
    assert (await gate.open())[0] == ("alice", RIGHT)


async def test_whoever_was_right_before_does_not_pay_for_guesses_of_their_name(gate: Gate) -> None:
    """From elsewhere, always from another network."""
    await gate.log_in("bob", HERE)
    gate.checks.forget()
    for number in range(3):
        await gate.fail("bob", 1, f"198.51.100.{number}")
    await gate.close_with(client=THERE)
    for number in range(80):
        gate.send(f"stranger {number}", b"guess", f"203.0.113.{number}")
    await queued()
    gate.send("bob", RIGHT, HERE)
    assert (await gate.open())[0] == ("bob", RIGHT)


async def test_having_been_right_does_not_let_a_client_guess_for_others(gate: Gate) -> None:
    await gate.log_in("mallory", THERE)
    await gate.fail("bob", 1, THERE)
    await gate.close_with(client=THERE)
    for number in range(10):
        gate.send("bob", b"guess %d" % number, THERE)
        gate.send("mallory", b"guess %d" % number, THERE)
    await queued()
    gate.send("alice", RIGHT)
    order = await gate.open()
    assert order.index(("alice", RIGHT)) <= 1, "mallory's own name may come first, once"


async def test_equals_are_served_in_the_order_of_their_arrival(gate: Gate) -> None:
    await gate.close_with(client=THERE)
    for number in range(10):
        gate.send(f"user {number}", RIGHT)
    assert await gate.open() == [(f"user {number}", RIGHT) for number in range(10)]


async def test_neighbours_in_an_ipv6_network_count_as_one(gate: Gate) -> None:
    """A client chooses the last 64 bits freely."""
    await gate.fail("bob", 1, "2001:db8:1:1::1")
    await gate.close_with(client=THERE)
    gate.send("bob", b"guess", "2001:db8:1:1:aaaa::2")
    await queued()
    gate.send("alice", RIGHT, "2001:db8:1:2::1")
    assert (await gate.open())[0] == ("alice", RIGHT)


async def test_where_too_many_wait_the_flood_is_refused_and_not_the_newcomer(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING", 8)
    await gate.fail("bob", 1, THERE)
    await gate.close_with(client=THERE)
    flood = [gate.attempt("bob", b"guess %d" % number, THERE) for number in range(100)]
    await queued()
    login = gate.attempt("alice", RIGHT)
    await gate.open()
    assert await login
    answers = await asyncio.gather(*flood, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, TooManyRequests)]
    assert (len(refused), answers.count(False)) == (93, 7)
    assert refused[0].headers == {"Retry-After": "2"}


async def test_whoever_waits_too_long_is_refused(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gate.close_with(client=THERE)
    late = gate.attempt("alice", RIGHT)
    await queued()
    monkeypatch.setattr(module, "LONGEST_WAIT", 0)
    await gate.open()
    with pytest.raises(TooManyRequests):
        await late


async def test_a_client_that_disconnects_gives_its_place_up(gate: Gate) -> None:
    await gate.close_with(client=THERE)
    first, second = gate.attempt("alice", b"one"), gate.attempt("alice", b"two")
    await queued()
    first.cancel()
    await queued()
    assert await gate.open() == [("alice", b"two")]
    assert not await second


async def test_a_cancelled_login_does_not_cancel_the_same_one_of_another_request(
    gate: Gate,
) -> None:
    await gate.close_with(client=THERE)
    first, second = gate.attempt("alice", RIGHT), gate.attempt("alice", RIGHT)
    await queued()
    first.cancel()
    assert await gate.open() == [("alice", RIGHT)]
    assert await second


async def test_credentials_are_checked_once_wherever_they_come_from(gate: Gate) -> None:
    """Each address has its own place in the queue, so that none waits in another's."""
    await gate.close_with(client=THERE)
    logins = [gate.attempt("robot", RIGHT, f"203.0.113.{number}") for number in range(20)]
    assert await gate.open() == [("robot", RIGHT)]
    assert all([await login for login in logins])


async def test_a_wrong_password_is_refused_for_some_seconds_without_a_check(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is checked again."""
    clock = [100.0]
    monkeypatch.setattr(gate.checks._results.failed, "_now", lambda: clock[0])
    await gate.open()
    for _ in range(5):
        assert not await gate.attempt("alice", b"wrong")
    assert gate.order == [("alice", b"wrong")]
    clock[0] += module.FAILED_SECONDS
    assert not await gate.attempt("alice", b"wrong")
    assert len(gate.order) == 2


async def test_the_tables_stay_small_whatever_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ENTRIES", 8)
    monkeypatch.setattr(module, "FAILED_ENTRIES", 8)
    checks = PasswordChecks()
    for number in range(100):
        name = f"stranger {number}".encode()
        assert not await checks.passes(name, b"x", lambda: False, client=f"203.0.113.{number}")
    assert len(checks._failures._held) <= 24
    assert len(checks._results.failed._held) <= 8
    assert not checks._results.pending
    assert not checks._waiting


async def test_a_check_that_raises_fails_for_its_callers_only(gate: Gate) -> None:
    await gate.open()

    def broken() -> bool:
        raise RuntimeError("no such library")

    with pytest.raises(RuntimeError, match="no such library"):
        await gate.checks.passes(b"alice", b"x", broken)
    assert await gate.checks.passes(b"alice", RIGHT, lambda: True)


async def test_a_refusal_that_nobody_waits_for_leaves_no_warning(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    await gate.close_with(client=THERE)
    late = gate.attempt("alice", b"x")
    await queued()
    late.cancel()
    with suppress(asyncio.CancelledError):
        await late
    await gate.open()
    gate.tasks.clear()
    del late
    gc.collect()
    assert "never retrieved" not in caplog.text
