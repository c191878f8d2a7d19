"""TLS in front of a server that speaks plain HTTP, with a certificate that nobody trusts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from tests.support.secure_azurite import Trust

_PIECE = 64 * 2**10


@contextmanager
def tls_in_front_of(port: int, trust: Trust) -> Iterator[str]:
    """Forward TLS connections on a free port to a port on loopback; return the authority."""
    ready: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    thread = threading.Thread(target=asyncio.run, args=(_serve(port, trust, ready),))
    thread.start()
    authority, loop, stopped = ready.result(10)
    try:
        yield authority
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()


async def _serve(
    port: int, trust: Trust, ready: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]]
) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pump(reader, other_writer), _pump(other_reader, writer))

    stopped = asyncio.Event()
    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=trust.server_context())
    address = server.sockets[0].getsockname()
    ready.set_result((f"127.0.0.1:{address[1]}", asyncio.get_running_loop(), stopped))
    await stopped.wait()
    server.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
    writer.close()
