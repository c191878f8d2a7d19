"""`python -m tests.serve.sample_server serve ...`: the local server, with an application for tests.

It answers with what it saw of a request, or keeps a request waiting: with the query parameter
``until``, it continues once that file exists.
"""

# ruff: noqa: ASYNC110 - files raise no events

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from registry_core.cli.main import main
from registry_core.serve import protocol, run, server


async def echo(request: Request) -> Response:
    return JSONResponse(
        {
            "query": request.scope["query_string"].decode(),
            "headers": dict(request.headers),
            "scheme": request.url.scheme,
            "client": request.client.host if request.client else None,
        }
    )


async def environment(_: Request) -> Response:
    return JSONResponse({k: v for k, v in os.environ.items() if k.startswith("REGISTRY_")})


async def count(request: Request) -> Response:
    """The length of the body, which is not read before the time has come."""
    await _wait(request)
    return PlainTextResponse(str(sum([len(chunk) async for chunk in request.stream()])))


async def slow(request: Request) -> Response:
    """An answer in two pieces."""

    async def pieces() -> AsyncIterator[bytes]:
        try:
            yield b"begun, "
            await _wait(request)
            yield b"done"
        finally:
            _note("request ended")

    return StreamingResponse(pieces())


async def location(_: Request) -> Response:
    return Response(status_code=204, headers={"Location": "/v2/" + "x" * 6000})


async def broken(_: Request) -> Response:
    raise RuntimeError("this endpoint is broken")


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    if "SAMPLE_FAILS" in os.environ:
        raise RuntimeError("the sample application does not start")
    yield
    _note("closed")


async def _wait(request: Request) -> None:
    if "until" in request.query_params:
        while not Path(request.query_params["until"]).exists():
            await asyncio.sleep(0.01)


def _seconds(name: str, default: float) -> float:
    return float(os.environ.get(name, default))


def _note(event: str) -> None:
    if notes := os.environ.get("SAMPLE_NOTES"):
        with Path(notes).open("a") as file:
            file.write(event + "\n")


if __name__ == "__main__":
    app = Starlette(
        routes=[
            Route("/v2/", echo),
            Route("/environment", environment),
            Route("/count", count, methods=["PATCH"]),
            Route("/slow", slow),
            Route("/location", location),
            Route("/broken", broken),
        ],
        lifespan=lifespan,
    )
    with (
        patch.object(run, "build_application", lambda _: app),
        patch.object(protocol, "HEAD_SECONDS", _seconds("SAMPLE_HEAD_SECONDS", 30)),
        patch.object(server, "KEEP_ALIVE_SECONDS", _seconds("SAMPLE_IDLE_SECONDS", 120)),
    ):
        sys.exit(main())
