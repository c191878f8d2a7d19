"""The access log: one line per request, and an answer to every request.

A line has operation, repository, status, bytes, milliseconds and storage calls. It holds nothing
that a client chooses freely, so neither credentials nor forged lines: repository names have been
parsed, and what could not be parsed is `-`. It does not say who the caller is: that is in the audit
log, which is written here as well.
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

from ..observe import Activity, observed
from .audit import audit_record
from .errors import CLIENT_CLOSED_REQUEST, render

# Public: operators select or silence the access log by this name.
log = logging.getLogger("registry_core.requests")

_OPERATION = "registry.operation"
_REPOSITORY = "registry.repository"
_ABSENT = "-"

Handler = Callable[[Request], Awaitable[Response]]


class HandlerCancelled(Exception):
    """A handler was cancelled by something other than its server."""


def name_operation(scope: MutableMapping[str, Any], operation: str, repository: str = "") -> None:
    """Set what the access log calls the request; ``repository`` is a valid name, or empty."""
    scope[_OPERATION], scope[_REPOSITORY] = operation, repository or _ABSENT


@dataclass
class AccessRecord:
    """What the access log says about one request. Bytes are those of bodies."""

    request: Request
    activity: Activity = field(default_factory=Activity)
    received: int = 0
    sent: int = 0
    began: float = field(default_factory=time.perf_counter)
    is_written: bool = False

    async def receive(self) -> Message:
        """Return the next message from the client, counted."""
        message = await self.request.receive()
        self.received += len(message.get("body", b""))
        return message

    def write(self, status: int, sent: int, *, complete: bool = True) -> None:
        """Write the line, once; once more if the answer broke off after that."""
        if self.is_written and complete:
            return
        self.is_written = True
        log.info(
            "operation=%s repository=%s status=%d received=%d sent=%d ms=%d storage=%d%s",
            self.request.scope.get(_OPERATION, _ABSENT),
            self.request.scope.get(_REPOSITORY, _ABSENT),
            status,
            self.received,
            sent,
            (time.perf_counter() - self.began) * 1000,
            self.activity.storage_calls,
            "" if complete else " broken",
        )


async def logged(request: Request, handler: Handler, *, early: bool = False) -> Response:
    """Return the handler's answer, wrapped so that it is counted and logged.

    The audit log's line is written before anything of the answer is sent: what happened is on
    record whether the client reads the answer or not, and the Functions host drops later lines.

    Raises nothing but the cancellation of the task it runs in: under Functions, a request without
    an answer would wait until its timeout.

    :param early: write the line of a streamed answer before its body is sent, not after.
    """
    record = AccessRecord(request)
    metered = Request(request.scope, record.receive)
    with observed(record.activity):
        try:
            response = await handler(metered)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                audit_record(request.scope).write(request, CLIENT_CLOSED_REQUEST)
                raise
            cancelled = HandlerCancelled("a handler was cancelled from within")
            cancelled.__cause__ = error
            response = render(cancelled, metered)
    audit_record(request.scope).write(request, response.status_code)
    if early or not isinstance(response, StreamingResponse):
        record.write(response.status_code, _announced_bytes(request, response))
    return LoggedResponse(response, record)


def _announced_bytes(request: Request, response: Response) -> int:
    length = response.headers.get("content-length", "0")
    return 0 if request.method == "HEAD" else int(length)


class LoggedResponse(Response):
    """An answer whose bytes are counted while it is sent; logged at its end, if not before."""

    def __init__(self, inner: Response, record: AccessRecord) -> None:
        super().__init__(status_code=inner.status_code)
        self.raw_headers = inner.raw_headers
        self._inner = inner
        self._record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        record, complete = self._record, False

        async def metered(message: Message) -> None:
            record.sent += len(message.get("body", b""))
            await send(message)

        try:
            with observed(record.activity):
                await self._inner(scope, receive, metered)
            complete = True
        finally:
            record.write(self.status_code, record.sent, complete=complete)
