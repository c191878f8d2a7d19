"""A proxy in front of storage that spoils chosen answers, each in one of the ways they do spoil."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field


class Fault(enum.Enum):
    """What becomes of a request. Those in `TOOK_PLACE` reach storage."""

    ERROR = "500 InternalError"
    BUSY = "503 ServerBusy"
    THROTTLED = "429 TooManyRequests"
    RESET = "reset before it was forwarded"
    LOST = "reset after it took place"
    TIMED_OUT = "500 OperationTimedOut after it took place"
    TRUNCATED = "answer cut off"
    SLOW = "no answer"
    GARBAGE = "answer that is no HTTP"
    STRANGER = "200 from somebody else"
    NOWHERE = "404 from somebody else"


TOOK_PLACE = {Fault.LOST, Fault.TIMED_OUT, Fault.TRUNCATED, Fault.SLOW, Fault.GARBAGE}


@dataclass(frozen=True)
class Asked:
    """A request as the proxy sees it; ``number`` counts from 1."""

    number: int
    method: str
    target: str


Choose = Callable[[Asked], Fault | None]


def nth(number: int, fault: Fault) -> Choose:
    """Only the request with this number."""
    return lambda asked: fault if asked.number == number else None


def sometimes(share: float, seed: int) -> Choose:
    """A ``share`` of all requests, each kind of fault as often as the others."""
    chance = random.Random(seed)
    kinds = list(Fault)
    return lambda _: chance.choice(kinds) if chance.random() < share else None


def never(_: Asked) -> None:
    """No request."""


@dataclass
class FaultyStorage:
    """Where the proxy listens, whom it spoils, and what it did. ``choose`` may be changed."""

    behind: int
    choose: Choose = never
    port: int = 0
    retry_after: int | None = None
    """What `Fault.BUSY` asks for, in seconds."""
    asked: list[Asked] = field(default_factory=list)
    injected: Counter[Fault] = field(default_factory=Counter)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, over one of its own to storage."""
        there = await asyncio.open_connection("127.0.0.1", self.behind)
        try:
            while await self._exchange(reader, writer, *there):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass  # one of the two hung up
        finally:
            there[1].close()
            writer.close()

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there_reader: asyncio.StreamReader,
        there_writer: asyncio.StreamWriter,
    ) -> bool:
        """One request. Whether another may follow on these connections."""
        request = await _read_message(reader)
        method, target, _ = request.split(b" ", 2)
        asked = Asked(len(self.asked) + 1, method.decode(), target.decode())
        self.asked.append(asked)
        fault = self.choose(asked)
        answer = b""
        if fault is None or fault in TOOK_PLACE:
            there_writer.write(request)
            answer = await _read_message(there_reader, bodiless=method == b"HEAD")
        if fault is None:
            writer.write(answer)
            await writer.drain()
            return True
        self.injected[fault] += 1
        await self._spoil(fault, answer, reader, writer)
        return False

    async def _spoil(
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
        elif fault is Fault.BUSY and self.retry_after is not None:
            writer.write(_answer("503 Busy", "ServerBusy", f"Retry-After: {self.retry_after}"))
        elif fault is Fault.TRUNCATED:
            writer.write(answer[: -max(1, len(answer) // 4)])
        else:
            writer.write(_INSTEAD[fault])


def _answer(status: str, code: str, *headers: str) -> bytes:
    lines = (
        f"HTTP/1.1 {status}",
        "x-ms-request-id: made-up",
        f"x-ms-error-code: {code}",
        "Content-Length: 0",
        "Connection: close",
        *headers,
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
    """A request or an answer, whole, as it came. :raises IncompleteReadError: at the end."""
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
async def faulty_storage(port: int, choose: Choose = never) -> AsyncIterator[FaultyStorage]:
    """The proxy on a free loopback port, in front of ``port``."""
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
