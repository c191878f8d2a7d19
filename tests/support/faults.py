"""A proxy in front of storage that injects faults into chosen requests."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field


class Fault(enum.Enum):
    """What happens to a request. Those with a fault in `TOOK_PLACE` reach storage."""

    ERROR = "500 InternalError"
    BUSY = "503 ServerBusy"
    THROTTLED = "429 TooManyRequests"
    RESET = "reset before it was forwarded"
    LOST = "reset after it took place"
    TIMED_OUT = "500 OperationTimedOut after it took place"
    TRUNCATED = "truncated answer"
    SLOW = "no answer"
    GARBAGE = "answer that is not HTTP"
    STRANGER = "200 from an intermediary"
    NOWHERE = "404 from an intermediary"


TOOK_PLACE = {Fault.LOST, Fault.TIMED_OUT, Fault.TRUNCATED, Fault.SLOW, Fault.GARBAGE}


@dataclass(frozen=True)
class ProxiedRequest:
    """A request as the proxy sees it; ``number`` counts from 1."""

    number: int
    method: str
    target: str


ChooseFault = Callable[[ProxiedRequest], Fault | None]


def nth(number: int, fault: Fault) -> ChooseFault:
    """Choose only the request with this number."""
    return lambda request: fault if request.number == number else None


def first(number: int, fault: Fault) -> ChooseFault:
    """Choose this many requests, the first ones."""
    return lambda request: fault if request.number <= number else None


def always(fault: Fault) -> ChooseFault:
    """Choose every request."""
    return lambda _: fault


def sometimes(share: float, seed: int) -> ChooseFault:
    """Choose a ``share`` of all requests, each fault as often as the others."""
    chance = random.Random(seed)
    faults = list(Fault)
    return lambda _: chance.choice(faults) if chance.random() < share else None


def never(_: ProxiedRequest) -> None:
    """Choose no request."""


@dataclass
class FaultyStorage:
    """The proxy on ``port``, in front of ``storage_port``. ``choose`` may be changed."""

    storage_port: int
    choose: ChooseFault = never
    port: int = 0
    connections: int = 0
    requests: list[ProxiedRequest] = field(default_factory=list)
    injected: Counter[Fault] = field(default_factory=Counter)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of a client, with a connection of its own to storage."""
        self.connections += 1
        upstream = await asyncio.open_connection("127.0.0.1", self.storage_port)
        try:
            while await self._exchange(reader, writer, *upstream):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass  # one of the two hung up
        finally:
            upstream[1].close()
            writer.close()

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream_reader: asyncio.StreamReader,
        upstream_writer: asyncio.StreamWriter,
    ) -> bool:
        """Serve one request. Returns whether another may follow on these connections."""
        message = await _read_message(reader)
        method, target, _ = message.split(b" ", 2)
        request = ProxiedRequest(len(self.requests) + 1, method.decode(), target.decode())
        self.requests.append(request)
        fault = self.choose(request)
        answer = b""
        if fault is None or fault in TOOK_PLACE:
            upstream_writer.write(message)
            answer = await _read_message(upstream_reader, bodiless=method == b"HEAD")
        if fault is None:
            writer.write(answer)
            await writer.drain()
            return True
        self.injected[fault] += 1
        await self._inject(fault, answer, reader, writer)
        return False

    async def _inject(
        self,
        fault: Fault,
        answer: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        if fault is Fault.SLOW:
            await reader.read(1)  # until the client gives up
        elif fault in (Fault.RESET, Fault.LOST):
            writer.transport.abort()
        elif fault is Fault.TRUNCATED:
            writer.write(answer[: -max(1, len(answer) // 4)])
        else:
            writer.write(_INSTEAD[fault])


def _answer(status: str, code: str) -> bytes:
    lines = (
        f"HTTP/1.1 {status}",
        "x-ms-request-id: made-up",
        f"x-ms-error-code: {code}",
        "Content-Length: 0",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode()


_INSTEAD = {
    Fault.ERROR: _answer("500 Internal Server Error", "InternalError"),
    Fault.BUSY: _answer("503 Server Busy", "ServerBusy"),
    Fault.THROTTLED: _answer("429 Too Many Requests", "TooManyRequests"),
    Fault.TIMED_OUT: _answer("500 Internal Server Error", "OperationTimedOut"),
    Fault.GARBAGE: bytes(range(256)) + b"\r\n\r\n",
    Fault.NOWHERE: b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    Fault.STRANGER: (
        b'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nETag: "mine"\r\n'
        b"Content-Length: 15\r\nConnection: close\r\n\r\n<p>Sign in</p>\r\n"
    ),
}


async def _read_message(reader: asyncio.StreamReader, *, bodiless: bool = False) -> bytes:
    """Return a whole request or answer, unchanged.

    :raises IncompleteReadError: the connection has ended.
    """
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    if bodiless:
        return head
    if b"chunked" in fields.get(b"transfer-encoding", b""):
        return head + await _read_chunks(reader)
    return head + await reader.readexactly(int(fields.get(b"content-length", b"0")))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    pieces = []
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line, 16)
        pieces += [line, await reader.readexactly(size + 2)]
        if size == 0:
            return b"".join(pieces)


@contextlib.asynccontextmanager
async def faulty_storage(port: int, choose: ChooseFault = never) -> AsyncIterator[FaultyStorage]:
    """Run the proxy on a free loopback port, in front of ``port``."""
    storage = FaultyStorage(port, choose)
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        task.add_done_callback(serving.discard)
        await storage.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**20)
    storage.port = server.sockets[0].getsockname()[1]
    try:
        yield storage
    finally:
        server.close()
        for task in list(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
