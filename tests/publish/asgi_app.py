"""The published app without Microsoft's runtime: `python -I asgi_app.py FOLDER`, until SIGTERM.

Runs under a Python without packages: everything but the standard library comes from FOLDER. It
replaces the Functions host where the runtime is not available (Python before 3.13), and finds a
function by the first segment of its route, which is enough for this app.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any


def main(folder: Path) -> None:
    """Serve the app in a folder on a free port, and print its URL when it is ready."""
    sys.path[:0] = [str(folder), str(folder / ".python_packages/lib/site-packages")]
    os.chdir(folder)
    import uvicorn
    from starlette.requests import Request

    import function_app

    handlers = {_first(f): f.get_user_function() for f in function_app.app.get_functions()}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        handler = handlers[scope["path"].split("/")[1]]
        response = await handler(Request(scope, receive))
        await response(scope, receive, send)

    listener = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"registry ready at http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    # uvicorn raises the signal again when it has stopped.
    signal.signal(signal.SIGTERM, lambda *_: None)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off"))
    asyncio.run(server.serve(sockets=[listener]))


def _first(function: Any) -> str:
    """Return the first segment of a function's route."""
    route: str = function.get_trigger().route
    return route.strip("/").split("/")[0]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
