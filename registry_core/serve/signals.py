"""SIGTERM and SIGINT, from the start of a program on until its server has stopped."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import Iterator
from types import FrameType

import uvloop

from .server import Server


class StopSignals:
    """SIGTERM and SIGINT, from now on: what is being started is started before it is stopped."""

    def __init__(self) -> None:
        self._received: list[int] = []
        self._server: Server | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def run(self, server: Server) -> None:
        """Run a server until a signal stops it.

        :raises StartFailed: the application's start failed.
        """
        # Imported modules are never garbage. A full collection that looks at them holds the loop.
        gc.freeze()
        with (
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
            self._stopping(server),
        ):
            runner.run(server.run_until_exit())

    @contextlib.contextmanager
    def _stopping(self, server: Server) -> Iterator[None]:
        """Deliver the signals to the server: those received before, and those inside."""
        self._server = server
        for number in self._received:
            server.handle_exit(number, None)
        yield
        self._server = None

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._received.append(number)
        if self._server:
            self._server.handle_exit(number, frame)
