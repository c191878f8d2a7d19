"""A request and its answer, from the first byte to the last: always answered, counted, logged.

The line in the log names operation, repository, status, bytes, milliseconds and storage calls. It
has nothing that a client chooses freely, so no credential and no line of its own: names of
repositories have been parsed, and what could not be is `-`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from ..functions.worker import INVOCATION_ID, books
from ..observe import Tally, tallying
from .errors import render

# Its name is for who wants to have these lines, or not to have them.
log = logging.getLogger("registry_core.requests")

_OPERATION = "registry.operation"
_REPOSITORY = "registry.repository"
_NONE = "-"

Answer = Callable[[Request], Awaitable[Response]]


class Interrupted(Exception):
    """A handler was cancelled, but not by who waits for its answer."""


def name_operation(scope: MutableMapping[str, Any], operation: str, repository: str = "") -> None:
    """What the log calls the request; ``repository`` is a valid name, or empty."""
    scope[_OPERATION], scope[_REPOSITORY] = operation, repository or _NONE


@dataclass
class Exchange:
    """What is counted of one request. Bytes are of bodies."""

    request: Request
    tally: Tally = field(default_factory=Tally)
    received: int = 0
    sent: int = 0
    began: float = field(default_factory=time.perf_counter)
    is_told: bool = False

    async def receive(self) -> Message:
        """The next message from the client."""
        message = await self.request.receive()
        self.received += len(message.get("body", b""))
        return message

    def tell(self, status: int, sent: int, *, whole: bool = True) -> None:
        """The line for the log, once. ``whole``: the answer did not break off."""
        if self.is_told and whole:
            return
        self.is_told = True
        log.info(
            "operation=%s repository=%s status=%d received=%d sent=%d ms=%d storage=%d%s",
            self.request.scope.get(_OPERATION, _NONE),
            self.request.scope.get(_REPOSITORY, _NONE),
            status,
            self.received,
            sent,
            (time.perf_counter() - self.began) * 1000,
            self.tally.calls,
            "" if whole else " broken",
        )


async def exchanged(request: Request, answer: Answer) -> Response:
    """What ``answer`` gives for the request, wrapped so that it is counted and logged.

    Raises nothing but the cancellation of the task it runs in: under Functions, a request without
    an answer would wait until its timeout.
    """
    exchange = Exchange(request)
    metered = Request(request.scope, exchange.receive)
    with tallying(exchange.tally):
        try:
            response = await answer(metered)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            interrupted = Interrupted("cancelled from within")
            interrupted.__cause__ = error
            response = render(interrupted, metered)
    # The Functions host drops what is logged after the function has returned.
    if not isinstance(response, StreamingResponse) or INVOCATION_ID in request.headers:
        exchange.tell(response.status_code, _announced(request, response))
    return Told(response, exchange)


def _announced(request: Request, response: Response) -> int:
    """The bytes that will be sent."""
    length = response.headers.get("content-length", "0")
    return 0 if request.method == "HEAD" else int(length)


class Told(Response):
    """An answer that is counted while it is sent, and told to the log after that if not before."""

    def __init__(self, inner: Response, exchange: Exchange) -> None:
        super().__init__(status_code=inner.status_code)
        self.raw_headers = inner.raw_headers
        self._inner = inner
        self._exchange = exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange, whole = self._exchange, False
        books.close(exchange.request)

        async def metered(message: Message) -> None:
            exchange.sent += len(message.get("body", b""))
            await send(message)

        try:
            with tallying(exchange.tally):
                await self._inner(scope, receive, metered)
            whole = True
        finally:
            exchange.tell(self.status_code, exchange.sent, whole=whole)
