"""A Functions app whose functions tell what the host made of a request, or keep it waiting.

A query parameter ``until`` is a file: the function goes on once it is there.
"""

# ruff: noqa: ARG001, ASYNC110
# Bindings fix what handlers take; files raise no events.

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import azure.functions as func
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

ALL = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


def _told(function: str, request: Request) -> JSONResponse:
    return JSONResponse(
        {
            "function": function,
            "method": request.method,
            "path": request.scope["path"],
            "parameters": request.path_params,
            "query": request.scope["query_string"].decode(),
            "headers": dict(request.headers),
            "scheme": request.url.scheme,
            "client": request.client.host if request.client else None,
        }
    )


async def _until(request: Request) -> None:
    if "until" in request.query_params:
        while not Path(request.query_params["until"]).exists():
            await asyncio.sleep(0.01)


@app.route(route="/", methods=["GET"])
async def root(req: Request) -> Response:
    return _told("root", req)


@app.route(route="v2/{*path}", methods=ALL)
async def everything(req: Request) -> Response:
    return _told("everything", req)


@app.route(route="names/{name}/tags", methods=["GET"])
async def name(req: Request) -> Response:
    return _told("name", req)


@app.route(route="order/exact", methods=["GET"])
async def order_2_exact(req: Request) -> Response:
    return _told("order_2_exact", req)


@app.route(route="order/{*path}", methods=["GET"])
async def order_1_any(req: Request) -> Response:
    return _told("order_1_any", req)


@app.function_name("one-or-the-other-2")
@app.route(route="split", methods=["PUT"])
async def split_put(req: Request) -> Response:
    return _told("split_put", req)


@app.function_name("one-or-the-other-1")
@app.route(route="split", methods=["GET"])
async def split_get(req: Request) -> Response:
    return _told("split_get", req)


@app.route(route="environment", methods=["GET"])
async def environment(req: Request) -> Response:
    return JSONResponse({k: v for k, v in os.environ.items() if k.startswith("REGISTRY_")})


@app.route(route="count", methods=["PATCH"])
async def count(req: Request) -> Response:
    """The length of the body, which it does not begin to read before it may."""
    await _until(req)
    return PlainTextResponse(str(sum([len(chunk) async for chunk in req.stream()])))


@app.route(route="slow", methods=["GET"])
async def slow(req: Request) -> Response:
    """An answer in two pieces."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"begun, "
        await _until(req)
        yield b"done"

    return StreamingResponse(pieces())


@app.route(route="location", methods=["GET"])
async def location(req: Request) -> Response:
    return Response(status_code=204, headers={"Location": "/v2/" + "x" * 6000})


@app.route(route="broken", methods=["GET"])
async def broken(req: Request) -> Response:
    raise RuntimeError("this function is broken")


@app.route(route="nothing", methods=["GET"])
async def nothing(req: Request) -> Response:
    return None  # type: ignore[return-value]  # that is the point


@app.timer_trigger(schedule="* * * * * *", arg_name="timer")
async def tick(timer: func.TimerRequest) -> None:
    _note("tick")


@app.timer_trigger(schedule="0 0 0 29 2 *", arg_name="timer", run_on_startup=True)
async def boot(timer: func.TimerRequest) -> None:
    _note("boot begins")
    await asyncio.sleep(float(os.environ.get("SAMPLE_BOOT_SECONDS", "0")))
    _note("boot ends")


class _Host:
    async def close(self) -> None:
        _note("closed")


registry = _Host()


def _note(event: str) -> None:
    if notes := os.environ.get("SAMPLE_NOTES"):
        with Path(notes).open("a") as file:
            file.write(event + "\n")
