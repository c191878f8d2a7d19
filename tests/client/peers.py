"""Peers of a client on loopback: servers whose answers a test writes, and which note all requests.

async with peer(answer) as registry, session(registry.url) as client:
    ...
assert registry.received == [...]
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from registry_core.client import ClientOptions, Session
from registry_core.client.credentials import Basic, Fixed, Login
from registry_core.client.options import Retries, Timeouts
from registry_core.spec.endpoints import Endpoint

QUICK = Retries(attempts=3, first_delay=0.001, longest_delay=1.0, total=5.0)
ALICE = Basic("alice", "a secret password")
ALICE_HEADER = f"Basic {base64.b64encode(b'alice:a secret password').decode()}"


@dataclass(frozen=True)
class Received:
    """A request as it arrived; ``target`` is its path with the query, as it was sent."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    with_certificate: bool = False

    @property
    def authorization(self) -> str:
        return self.headers.get("Authorization", "")


RawHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Handler = Callable[[Received], web.StreamResponse | Awaitable[web.StreamResponse]]


@dataclass
class Peer:
    """A running server. ``received`` are all requests, in order of arrival."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    connections: int = 0

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def targets(self) -> list[str]:
        return [f"{each.method} {each.target}" for each in self.received]

    @property
    def authorizations(self) -> list[str]:
        return [each.authorization for each in self.received]


@asynccontextmanager
async def peer(answer: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """Run a server on a free loopback port, on this event loop; with ``tls``, over TLS."""
    running = Peer()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read()
        certificate = request.transport.get_extra_info("peercert") if request.transport else None
        received = Received(
            request.method, request.raw_path, request.headers.copy(), body, bool(certificate)
        )
        running.received.append(received)
        answered = answer(received)
        return answered if isinstance(answered, web.StreamResponse) else await answered

    runner = web.ServerRunner(web.Server(handle), handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    host, port = runner.addresses[0][:2]
    running.url = f"http{'s' if tls else ''}://{host}:{port}"
    try:
        yield running
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_peer(answer: RawHandler, port: int = 0) -> AsyncIterator[Peer]:
    """Run a server that a test writes byte by byte; ``connections`` counts."""
    running = Peer()
    tasks = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.connections += 1
        task = asyncio.current_task()
        tasks.add(task)
        try:
            await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", port)
    running.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield running
    finally:
        server.close()
        for task in list(tasks):
            if task is not None:
                task.cancel()
        await server.wait_closed()


def options(url: str, login: Login | None = None, **changed: Any) -> ClientOptions:
    """Return options for a quick client."""
    defaults: dict[str, Any] = {"retries": QUICK, "timeouts": Timeouts(5, 5, 5)}
    if login is not None:
        defaults["credentials"] = Fixed(login)
    return ClientOptions(url, **{**defaults, **changed})


def session(
    url: str, login: Login | None = None, **changed: Any
) -> AbstractAsyncContextManager[Session]:
    """Open a session of a quick client."""
    return Session.open(options(url, login, **changed))


def redirect(location: str, status: int = 307) -> web.Response:
    return web.Response(status=status, headers={"Location": location})


async def fetch(client: Session, method: str, target: Endpoint | str, **options: Any) -> bytes:
    """Send a request and return the body of its answer."""
    async with client.request(method, target, **options) as answer:
        return await answer.read(2**20)
