"""Serve one app under Microsoft's runtime until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from pathlib import Path

import uvicorn

from .front import DEFAULT_BODY_LIMIT, FrontEnd
from .worker import LOOPBACK, Worker, WorkerFailed

_IDLE_SECONDS = 130  # Kestrel's KeepAliveTimeout
_STOP_SECONDS = 10


async def serve(app: Path, port: int) -> None:
    """Serve the app in a folder until SIGTERM or SIGINT; port 0 picks a free one.

    :raises WorkerFailed: the app cannot be indexed.
    """
    listener = socket.create_server((LOOPBACK, port))
    worker = await Worker.start(app)
    limit = int(os.environ.get("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", DEFAULT_BODY_LIMIT))
    in_azure = os.environ.get("WEBSITE_SKU", "").lower() == "flexconsumption"
    async with FrontEnd(worker, limit, in_azure=in_azure) as front:
        server = _Server(
            uvicorn.Config(
                front,
                access_log=False,
                date_header=False,
                lifespan="off",
                log_config=None,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=_STOP_SECONDS,
                timeout_keep_alive=_IDLE_SECONDS,
            )
        )
        await server.serve(sockets=[listener])
    await worker.stop()


class _Server(uvicorn.Server):
    """Prints a line when it is ready, and handles the signals instead of the worker's uvicorn."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, setattr, self, "should_exit", True)
        for listener in sockets or ():
            host, port = listener.getsockname()
            sys.stdout.write(f"functions host ready at http://{host}:{port}\n")
            sys.stdout.flush()


def main() -> int:
    """Run the program and return its exit code: 1 if the app cannot be indexed."""
    parser = argparse.ArgumentParser(prog="functions_host", description=__doc__)
    parser.add_argument("--app", type=Path, required=True, help="folder of function_app.py")
    parser.add_argument("--port", type=int, default=0, help="0, the default, picks a free one")
    arguments = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        asyncio.run(serve(arguments.app.resolve(), arguments.port))
    except WorkerFailed as failure:
        sys.stderr.write(f"functions host failed: {failure}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
