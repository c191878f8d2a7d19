"""A way to storage with troubles: a TCP proxy that can refuse, cut off and fall silent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

_BUSY = (
    b"HTTP/1.1 503 Server Busy\r\nx-ms-error-code: ServerBusy\r\nx-ms-request-id: 1\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)


@dataclass
class TroubledNetwork:
    """What becomes of the next connections, each attribute counted down by one for each of them."""

    busy: int = 0
    """This many are answered with 503 once their request has arrived."""
    cut_off: int = 0
    """This many are closed after the first 64 KiB of the answer."""
    silent: int = 0
    """This many are never answered."""
    connections: int = 0
    """How many there were."""
    port: int = 0

    def take(self, trouble: str) -> bool:
        left: int = getattr(self, trouble)
        setattr(self, trouble, max(0, left - 1))
        return left > 0


@contextlib.asynccontextmanager
async def troubled_network(port: int) -> AsyncIterator[TroubledNetwork]:
    """A proxy on a free loopback port, in front of ``port``."""
    network = TroubledNetwork()
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        network.connections += 1
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if network.take("busy"):
                await _read_request(reader)
                writer.write(_BUSY)
                await writer.drain()
            elif network.take("silent"):
                await reader.read(-1)
            else:
                await _forward(reader, writer, port, cut_off=network.take("cut_off"))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    network.port = server.sockets[0].getsockname()[1]
    try:
        yield network
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def _read_request(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line.partition(b":")[2]))


async def _forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, *, cut_off: bool
) -> None:
    there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.closing(there_writer):
        asking = asyncio.ensure_future(_pipe(reader, there_writer))
        try:
            if cut_off:
                writer.write(await there_reader.readexactly(64 * 1024))
                await writer.drain()
            else:
                await _pipe(there_reader, writer)
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(64 * 1024):
            writer.write(piece)
            await writer.drain()
