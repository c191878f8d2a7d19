"""ASGI applications behind a real web server on loopback, in the event loop of the test."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to pytest."""
        yield


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an application at the URL that is returned, until the end of the block."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([listening]))
    try:
        while not server.started:
            assert not task.done(), "the server has not started"
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listening.close()


class Served:
    """A web server whose application each test sets; to start one takes half a second.

    ``requests``: what the application was asked, as ``METHOD path?query``.
    """

    def __init__(self, url: str = "") -> None:
        self.url = url
        self.app: ASGIApp | None = None
        self.requests: list[str] = []

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Served]:
        """Serve until the end of the block."""
        self = cls()
        async with served(self) as self.url:
            yield self

    def use(self, app: ASGIApp) -> str:
        """Serve an application from here on, and return its URL."""
        self.app, self.requests = app, []
        return self.url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None, "no application is set"
        query = scope["query_string"].decode()
        self.requests.append(f"{scope['method']} {scope['path']}{query and '?'}{query}")
        await self.app(scope, receive, send)
