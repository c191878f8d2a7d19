"""The relay as an ASGI application: uploads are taken apart, everything else is forwarded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..server.access_log import logged, name_operation
from ..server.errors import render
from ..spec import endpoints as e
from ..spec.errors import RegistryError
from ..spec.routes import parse
from .forwarding import Forwarder
from .guard import Guard
from .pushing import Call, Pusher
from .upstream import Refused

_Handler = Callable[[Call, Any], Awaitable[Response]]


class Relay:
    """The relay's application.

    ``services`` opens what it needs for its lifespan: what forwards requests, and what handles
    uploads.
    """

    def __init__(
        self, guard: Guard, services: AbstractAsyncContextManager[tuple[Forwarder, Pusher]]
    ) -> None:
        self._guard = guard
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3: HTTP and lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"a registry has no {scope['type']} endpoints")
        response = await logged(Request(scope, receive), self._answer)
        await response(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self._services as (self._forwarder, self._pusher):
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, request: Request) -> Response:
        try:
            host = self._guard.check(request)
            return await self._answer_checked(request, f"http://{host}")
        except Exception as error:  # noqa: BLE001 - all errors are logged and answered
            return render(error, request)

    async def _answer_checked(self, request: Request, base: str) -> Response:
        endpoint = _parse(request)
        if endpoint is not None:
            repository = getattr(endpoint, "repository", "")
            name_operation(request.scope, type(endpoint).__name__, repository)
        handlers: dict[type[e.Endpoint], _Handler] = {
            e.StartUpload: self._pusher.start,
            e.MountBlob: self._pusher.start,
            e.GetUpload: self._pusher.status,
            e.AppendUpload: self._pusher.append,
            e.FinishUpload: self._pusher.finish,
            e.CancelUpload: self._pusher.cancel,
        }
        handler = handlers.get(type(endpoint)) if endpoint else None
        if handler is None:
            return await self._forwarder.forward(request, base)
        try:
            return await handler(Call(request, base), endpoint)
        except Refused as refused:
            return self._forwarder.answer(refused.answer, base)


def _parse(request: Request) -> e.Endpoint | None:
    """Return the endpoint that a request names; None if it is for the registry to say."""
    try:
        return parse(request.method, request.scope["path"], request.query_params.multi_items())
    except RegistryError:
        return None
