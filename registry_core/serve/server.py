"""Uvicorn as the local host runs it: with httptools, on a socket that is listening already."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from socket import socket
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from .forwarded import ForwardedFromLoopback
from .listen import BACKLOG, Listener
from .timers import Timers

log = logging.getLogger(__name__)

# Longer than the 90 s for which Go's clients keep an idle connection: they are to close it. If we
# did, a PATCH sent at that moment would be lost, and its streamed body cannot be sent again.
KEEP_ALIVE_SECONDS = 120
CLEAN_UP_SECONDS = 5.0


class Server(uvicorn.Server):
    """Serves an application and its timers until it is told to exit (`handle_exit`)."""

    def __init__(
        self,
        app: ASGIApp,
        timers: Timers,
        listener: Listener,
        *,
        grace: int,
        on_ready: Callable[[], None],
    ) -> None:
        """``grace``: seconds for what is under way to finish after it was told to exit."""
        super().__init__(
            uvicorn.Config(
                ForwardedFromLoopback(app),
                http="httptools",
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
        self._timers = timers
        self._listener = listener
        self._grace = grace
        self._on_ready = on_ready
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run_until_exit(self, close: Callable[[], Awaitable[None]]) -> None:
        """Serve; afterwards, whatever happened, ``close()`` what the application holds."""
        self._loop = asyncio.get_running_loop()
        try:
            await self.serve(sockets=[self._listener.socket])
            await self._wait_for_cancelled()
        finally:
            await close()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal lets what is under way finish, another one cuts it off."""
        if self.should_exit and self._loop:
            self._loop.call_soon_threadsafe(self._cancel_all)
        self.should_exit = True

    def _cancel_all(self) -> None:
        self._timers.cancel()
        for task in self.server_state.tasks:
            task.cancel()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        self._timers.start()
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        log.info("stopping: what is under way has %d s, or until the next signal", self._grace)
        self._listener.withdraw()
        await asyncio.gather(self._timers.stop(self._grace), super().shutdown(sockets))

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the business of whoever runs the server, before and after it too."""
        yield

    async def _wait_for_cancelled(self) -> None:
        """Uvicorn cancels requests that outlast the grace, but does not wait for their clean-up."""
        if tasks := set(self.server_state.tasks):
            await asyncio.wait(tasks, timeout=CLEAN_UP_SECONDS)
