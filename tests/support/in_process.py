"""ASGI applications in this process, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from starlette.types import ASGIApp


@asynccontextmanager
async def client_of(application: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """Run the lifespan of an application around a client of it, at http://registry.test."""
    transport = httpx.ASGITransport(application)
    async with (
        _lifespan(application),
        httpx.AsyncClient(transport=transport, base_url="http://registry.test") as client,
    ):
        yield client


@asynccontextmanager
async def _lifespan(application: ASGIApp) -> AsyncIterator[None]:
    events: asyncio.Queue[Any] = asyncio.Queue()
    answers: asyncio.Queue[Any] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    task = asyncio.ensure_future(application(scope, events.get, answers.put))
    await events.put({"type": "lifespan.startup"})
    assert (await answers.get())["type"] == "lifespan.startup.complete"
    try:
        yield
    finally:
        await events.put({"type": "lifespan.shutdown"})
        assert (await answers.get())["type"] == "lifespan.shutdown.complete"
        await task
