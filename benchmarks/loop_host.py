"""A registry in a process whose event loop is measured: `python -m benchmarks.loop_host PROJECT`.

``PROJECT`` is the folder of a tree of ours, whose `registry_core` is served, configured by the
environment. Each line of standard input is a command, and each answer a line of JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvicorn

from .heartbeat import Heartbeat, SlowCallbacks, Watchdog

WATCHED_SECONDS = 0.008
_SHOWN = 12


class _Commands:
    """``start``, ``stop``: the gaps between them; ``settings``: read the settings in a thread.

    A registry reads its settings before it serves: the loop has nothing to do then, and a program
    that reads others later does that in a thread.

    ``watch`` is ``start`` with a look at what holds the loop, which ``stop`` returns.
    """

    def __init__(self, read_settings: Callable[[], object]) -> None:
        self._read_settings = read_settings
        self._heart = Heartbeat()
        self._watchdog: Watchdog | None = None

    def start(self) -> object:
        self._heart.start()
        return {}

    def watch(self) -> object:
        self._heart.start()
        self._watchdog = Watchdog(self._heart, threading.get_ident(), seconds=WATCHED_SECONDS)
        self._watchdog.start()
        self._slow = SlowCallbacks(WATCHED_SECONDS)
        return {}

    def settings(self) -> object:
        self._read_settings()
        return {}

    def stop(self) -> object:
        gaps = self._heart.stop()
        watchdog, self._watchdog = self._watchdog, None
        seen: list[Any] = []
        if watchdog:
            watchdog.stop()
            self._slow.stop()
            seen = watchdog.seen.most_common(_SHOWN)
            seen += [
                (f"slow: {name}; CPU {cpu:.0f} ms of {wall:.0f}", self._slow.seen[name])
                for name, (cpu, wall) in self._slow.longest.items()
            ]
        return {"gaps": asdict(gaps), "seen": seen}

    async def answer(self, command: str) -> None:
        if command == "settings":
            answer = await asyncio.to_thread(self.settings)
        else:
            answer = getattr(self, command)()
        print(json.dumps(answer), flush=True)


async def _serve(project: Path) -> None:
    sys.path.insert(0, str(project))
    from registry_core import asgi_from_environment
    from registry_core.config import read_settings

    server = uvicorn.Server(
        uvicorn.Config(
            asgi_from_environment(),
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
        )
    )
    listener = socket.create_server(("127.0.0.1", 0))
    commands = _Commands(read_settings)
    gc.freeze()  # as `function_app` does

    answers: list[asyncio.Task[None]] = []

    def command() -> None:
        line = sys.stdin.readline().strip()
        if line:
            answers.append(asyncio.get_running_loop().create_task(commands.answer(line)))
        else:
            asyncio.get_running_loop().remove_reader(sys.stdin)
            server.should_exit = True

    asyncio.get_running_loop().add_reader(sys.stdin, command)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    await server.serve([listener])


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
