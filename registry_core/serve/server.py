"""Uvicorn as the local server runs it: with httptools, on a socket that is already listening."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from socket import socket
from types import FrameType
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.lifespan.on import LifespanOn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from .listen import BACKLOG, Listener, is_loopback
from .protocol import LimitedProtocol

log = logging.getLogger(__name__)

# Longer than the 90 s for which Go's clients keep an idle connection, so that they close it. If the
# server did, a PATCH sent at that moment would be lost, and its streamed body cannot be sent again.
KEEP_ALIVE_SECONDS = 120
CLEAN_UP_SECONDS = 5.0

_LOOPBACK = ["127.0.0.0/8", "::1", "::ffff:127.0.0.0/104"]


class StartFailed(Exception):
    """The application did not start; the log says why."""


class ForwardedFromLoopback:
    """ASGI middleware: trust ``Forwarded`` and ``X-Forwarded-*`` from proxies on this machine only.

    The registry itself cannot know who wrote these headers. Those of other clients are removed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._proxied = cast(ASGIApp, ProxyHeadersMiddleware(cast(Any, app), _LOOPBACK))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # A unix socket has no client address, but only this machine can reach it.
        client = scope.get("client") or ("127.0.0.1", 0)
        if is_loopback(client[0]):
            await self._proxied({**scope, "client": client}, receive, send)
        else:
            headers = [(n, v) for n, v in scope["headers"] if not _is_forwarded(n)]
            await self._app({**scope, "headers": headers}, receive, send)


def _is_forwarded(name: bytes) -> bool:
    return name.lower() == b"forwarded" or name.lower().startswith(b"x-forwarded-")


def _is_fault(record: logging.LogRecord) -> bool:
    """Return whether a record is not about a request that was cancelled by the stop."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or not issubclass(kind, asyncio.CancelledError)


class Server(uvicorn.Server):
    """Serves an ASGI application until `handle_exit` is called."""

    def __init__(
        self, app: ASGIApp, listener: Listener, *, grace: int, on_ready: Callable[[], None]
    ) -> None:
        """Configure the server.

        :param grace: seconds that requests in progress have to finish when the server stops.
        :param on_ready: called once, when the server accepts connections.
        """
        super().__init__(
            uvicorn.Config(
                ForwardedFromLoopback(app),
                http=LimitedProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=grace,
            )
        )
        logging.getLogger("uvicorn.error").addFilter(_is_fault)
        self._listener = listener
        self._grace = grace
        self._on_ready = on_ready
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run_until_exit(self) -> None:
        """Serve for the lifespan of the application.

        Uvicorn would end the lifespan without waiting for requests that it has just cancelled, and
        the application would close its storage before they have cleaned up.

        :raises StartFailed: the application's start failed.
        """
        self._loop = asyncio.get_running_loop()
        lifespan = LifespanOn(self.config)
        await lifespan.startup()
        if lifespan.should_exit:
            raise StartFailed("the application did not start; see above")
        try:
            await self.serve(sockets=[self._listener.socket])
            await self._wait_for_cancelled()
        finally:
            await lifespan.shutdown()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop: the first signal lets requests in progress finish, the second cancels them."""
        if self.should_exit and self._loop:
            self._loop.call_soon_threadsafe(self._cancel_requests)
        self.should_exit = True

    def _cancel_requests(self) -> None:
        for task in self.server_state.tasks:
            task.cancel()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        log.info(
            "stopping: requests in progress have %d s; another signal cancels them", self._grace
        )
        self._listener.withdraw()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: `signals.StopSignals` handles them before, during and after."""
        yield

    async def _wait_for_cancelled(self) -> None:
        if tasks := set(self.server_state.tasks):
            await asyncio.wait(tasks, timeout=CLEAN_UP_SECONDS)
