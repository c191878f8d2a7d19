"""Which requests a client repeats, how often, and when it stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator

import pytest
from aiohttp import web

from registry_core.client.bodies import OneShot
from registry_core.client.options import Retries, Timeouts
from registry_core.client.retries import Schedule
from registry_core.spec.endpoints import CheckVersion
from registry_core.spec.errors import RegistryError, TooManyRequests, Unavailable

from .peers import Handler, RawHandler, Received, fetch, peer, raw_peer, session

pytestmark = pytest.mark.anyio

IDEMPOTENT = ["GET", "PUT", "DELETE"]
OTHERS = ["POST", "PATCH"]


def script(*statuses: int, **headers: str) -> Handler:
    """Return answers with these statuses, then 200."""
    rest: Iterator[int] = iter(statuses)

    def answer(_: Received) -> web.Response:
        status = next(rest, 200)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, headers=names if status != 200 else {}, text="content")

    return answer


@pytest.mark.parametrize("method", IDEMPOTENT)
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_an_idempotent_request_is_repeated_after_a_passing_fault(
    method: str, status: int
) -> None:
    async with peer(script(status, status)) as registry, session(registry.url) as client:
        assert await fetch(client, method, "/x") == b"content"
    assert len(registry.received) == 3


@pytest.mark.parametrize("method", OTHERS)
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_another_request_is_not_repeated_as_it_may_have_been_executed(
    method: str, status: int
) -> None:
    async with peer(script(status)) as registry, session(registry.url) as client:
        with pytest.raises(RegistryError):
            await fetch(client, method, "/x")
    assert len(registry.received) == 1


@pytest.mark.parametrize("method", [*IDEMPOTENT, *OTHERS])
@pytest.mark.parametrize("status", [429, 503])
async def test_any_request_is_repeated_when_the_registry_says_when(
    method: str, status: int
) -> None:
    answers = script(status, Retry_After="0")
    async with peer(answers) as registry, session(registry.url) as client:
        assert await fetch(client, method, "/x") == b"content"
    assert len(registry.received) == 2


@pytest.mark.parametrize("status", [400, 404, 409, 413, 501, 505])
async def test_an_answer_that_would_be_the_same_is_final(status: int) -> None:
    async with peer(script(status)) as registry, session(registry.url) as client:
        with pytest.raises(RegistryError):
            await fetch(client, "GET", "/x")
    assert len(registry.received) == 1


async def test_a_caller_decides_what_may_be_repeated() -> None:
    async with peer(script(500, 500)) as registry, session(registry.url) as client:
        assert await fetch(client, "POST", "/x", retry=True) == b"content"
        registry.received.clear()
    async with (
        peer(script(429, Retry_After="0")) as registry,
        session(registry.url) as client,
    ):
        with pytest.raises(TooManyRequests):
            await fetch(client, "GET", "/x", retry=False)
    assert len(registry.received) == 1


async def test_attempts_have_an_end() -> None:
    async with peer(script(*[503] * 10)) as registry, session(registry.url) as client:
        with pytest.raises(Unavailable):
            await fetch(client, "GET", "/x")
    assert len(registry.received) == 3


async def test_a_client_waits_as_long_as_the_registry_says() -> None:
    clock = asyncio.get_running_loop().time
    times: list[float] = []

    def answer(_: Received) -> web.Response:
        times.append(clock())
        status = 429 if len(times) == 1 else 200
        return web.Response(status=status, headers={"Retry-After": "1"})

    async with peer(answer) as registry, session(registry.url) as client:
        await fetch(client, "GET", "/x")
    assert 1.0 <= times[1] - times[0] < 3


async def test_a_client_does_not_wait_longer_than_its_limit() -> None:
    answers = script(429, 429, Retry_After="3600")
    async with peer(answers) as registry, session(registry.url) as client:
        async with asyncio.timeout(5):
            with pytest.raises(TooManyRequests) as raised:
                await fetch(client, "GET", "/x")
    assert raised.value.headers == {"Retry-After": "3600"}
    assert len(registry.received) == 1


async def test_a_body_is_made_anew_for_each_attempt() -> None:
    made = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal made
        made += 1
        yield b"a"
        yield b"b"

    async with peer(script(500)) as registry, session(registry.url) as client:
        await fetch(client, "PUT", "/x", body=pieces)
    assert [each.body for each in registry.received] == [b"ab", b"ab"]
    assert made == 2


async def test_a_body_for_one_shot_is_not_sent_again() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"

    async with peer(script(500)) as registry, session(registry.url) as client:
        with pytest.raises(RegistryError):
            await fetch(client, "PUT", "/x", body=OneShot(pieces()))
    assert len(registry.received) == 1


def closing_after(requests: int) -> RawHandler:
    """Return a server that closes its connection instead of answering the first requests."""
    seen = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        while await reader.readuntil(b"\r\n\r\n"):
            seen += 1
            if seen <= requests:
                return
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ncontent")

    return answer


@pytest.mark.parametrize("method", IDEMPOTENT)
async def test_a_broken_connection_is_replaced_for_an_idempotent_request(method: str) -> None:
    async with raw_peer(closing_after(1)) as registry, session(registry.url) as client:
        assert await fetch(client, method, "/x") == b"content"
    assert registry.connections == 2


@pytest.mark.parametrize("method", OTHERS)
async def test_a_broken_connection_ends_another_request(method: str) -> None:
    async with raw_peer(closing_after(1)) as registry, session(registry.url) as client:
        with pytest.raises(Unavailable, match="closed the connection without an answer"):
            await fetch(client, method, "/x")
    assert registry.connections == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_nothing_but_the_client_repeats_a_request(method: str) -> None:
    """On a connection that was kept, aiohttp would."""
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            seen.append(head.split()[0])
            if len(seen) > 1:
                return
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with raw_peer(answer) as registry, session(registry.url) as client:
        await fetch(client, "GET", CheckVersion())
        with pytest.raises(Unavailable):
            await fetch(client, method, "/x", retry=False)
    assert seen == [b"GET", method.encode()]


async def test_any_request_is_repeated_that_was_not_sent() -> None:
    """The registry begins to listen after the first attempt."""
    async with raw_peer(closing_after(0)) as gone:
        pass
    limits = Retries(attempts=20, first_delay=0.02, longest_delay=0.1)
    async with session(gone.url, retries=limits) as client:
        request = asyncio.create_task(fetch(client, "POST", "/x", body=b"x"))
        await asyncio.sleep(0.05)
        async with raw_peer(closing_after(0), gone.port):
            assert await request == b"content"


async def test_a_silent_registry_is_waited_for_twice() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    limits = Timeouts(connect=1, silence=0.1, answer=5)
    many = Retries(attempts=10, first_delay=0.001)
    async with (
        raw_peer(silent) as registry,
        session(registry.url, timeouts=limits, retries=many) as client,
    ):
        with pytest.raises(Unavailable, match="did not answer in time"):
            await fetch(client, "GET", "/x")
    assert registry.connections == 2


def delays(limits: Retries, asked: Iterable[float | None]) -> list[float | None]:
    schedule = Schedule(limits)
    return [schedule.next_delay(each) for each in asked]


async def test_delays_double_and_vary_up_to_a_limit() -> None:
    many = Retries(attempts=9, first_delay=1, longest_delay=8, total=1000)
    found = delays(many, [None] * 9)
    for delay, usual in zip(found, [1, 2, 4, 8, 16, 32, 64, 128], strict=False):
        assert delay is not None
        assert min(usual * 0.5, 8) <= delay <= min(usual * 1.5, 8)
    assert found[-1] is None
    assert found[:3] != delays(many, [None] * 3)


async def test_all_delays_together_have_a_limit() -> None:
    limits = Retries(attempts=100, first_delay=0.01, longest_delay=10, total=25)
    assert delays(limits, [10.0, 10.0, 10.0]) == [10.0, 10.0, None]
    assert delays(limits, [10.5]) == [None]
