"""A Functions app for the tests of the stand-in host, independent of the registry."""

# ruff: noqa: ARG001 - the runtime requires the parameter, used or not

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator

import azure.functions as func
from azurefunctions.extensions.http import fastapi as _streams  # noqa: F401 - switches them on
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from registry_core.server.client_address import client_address

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
seen: list[str] = []  # clients that disconnected, and timers that fired
waiting: list[bool] = []
everybody = asyncio.Event()


@app.route(route="/", methods=["GET", "HEAD"])
async def root(req: Request) -> Response:
    return PlainTextResponse("the root")


@app.route(route="inspect/{*path}", methods=METHODS)
async def inspect(req: Request) -> Response:
    """The request as the function sees it."""
    loop = asyncio.get_running_loop()
    return JSONResponse(
        {
            "method": req.method,
            "url": str(req.url),
            "path": req.scope["path"],
            "query": req.scope["query_string"].decode(),
            "path_params": req.path_params,
            "client": client_address(req),
            "headers": dict(req.headers),
            "loop": id(loop),
            "thread": threading.get_ident(),
        }
    )


class Echo(Response):
    """Sends each piece of the body back as it arrives.

    Starlette's `StreamingResponse` cannot: it listens for a disconnect and would consume pieces.
    """

    def __init__(self, request: Request) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async for piece in self._request.stream():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@app.route(route="echo", methods=["POST", "PUT", "PATCH"])
async def echo(req: Request) -> Response:
    return Echo(req)


@app.route(route="digest", methods=["POST", "PUT", "PATCH"])
async def digest(req: Request) -> Response:
    """Count and hash the body in the function itself."""
    size, sha256 = 0, hashlib.sha256()
    try:
        async for chunk in req.stream():
            size += len(chunk)
            sha256.update(chunk)
    except ClientDisconnect:
        seen.append("an upload broke off")
        raise
    return JSONResponse({"size": size, "sha256": sha256.hexdigest()})


@app.route(route="download/{mib}", methods=["GET", "HEAD"])
async def download(req: Request) -> Response:
    """Send so many MiB of zeros, with their length."""
    mib = int(req.path_params["mib"])
    headers = {"Content-Length": str(mib << 20)}
    return StreamingResponse(_zeros(mib), headers=headers)


async def _zeros(mib: int) -> AsyncIterator[bytes]:
    try:
        for _ in range(mib * 16):
            await asyncio.sleep(0)  # a real source awaits, and that is where it is cancelled
            yield bytes(1 << 16)
    except (GeneratorExit, asyncio.CancelledError):
        seen.append("a download broke off")
        raise


@app.route(route="refuse", methods=["POST"])
async def refuse(req: Request) -> Response:
    """Answer 401 without reading the body."""
    return Response(status_code=401, headers={"WWW-Authenticate": 'Bearer realm="here"'})


@app.route(route="fail", methods=["GET"])
async def fail(req: Request) -> Response:
    raise LookupError("the sample fails")


@app.route(route="cancelled", methods=["GET"])
async def cancelled(req: Request) -> Response:
    raise asyncio.CancelledError("the sample is cancelled")


@app.route(route="nothing", methods=["GET"])
async def nothing(req: Request) -> Response:
    return None  # type: ignore[return-value]


@app.route(route="fail_late", methods=["GET"])
async def fail_late(req: Request) -> Response:
    """Fail when half of the answer is sent."""
    return StreamingResponse(_half())


async def _half() -> AsyncIterator[bytes]:
    yield b"half of it"
    raise LookupError("the sample fails late")


@app.route(route="meet/{count}", methods=["GET"])
async def meet(req: Request) -> Response:
    """Wait until so many requests are in progress at the same time."""
    count = int(req.path_params["count"])
    waiting.append(everybody.is_set())
    if len(waiting) == count:
        everybody.set()
    await everybody.wait()
    return PlainTextResponse(f"all {count} are here")


@app.route(route="docs", methods=["GET"])
async def docs(req: Request) -> Response:
    """Never called: FastAPI in the extension has a page at this path."""
    return PlainTextResponse("our own page")


@app.route(route="wait", methods=["GET"])
async def wait(req: Request) -> Response:
    """Wait until the client disconnects, and note it."""
    while not await req.is_disconnected():  # noqa: ASYNC110 - Starlette has no event for it
        await asyncio.sleep(0.02)
    seen.append("the client of /wait is gone")
    return Response()


@app.route(route="seen", methods=["GET"])
async def seen_so_far(req: Request) -> Response:
    return JSONResponse(seen)


@app.timer_trigger(schedule="0 0 3 * * *", arg_name="timer")
async def nightly(timer: func.TimerRequest) -> None:
    seen.append(f"the timer fired, past due: {timer.past_due}")
