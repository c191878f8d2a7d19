"""Requests that are forwarded to the registry as they are, and its answers."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ..client.answers import Answer
from ..server.bodies import read_body
from ..server.disconnects import unless_disconnected
from ..spec.errors import SizeInvalid, Unsupported
from .bodies import SILENCE, has_body
from .headers import Headers, Rewriter, of_answer, of_request
from .upstream import Answered, Upstream

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})

BODY_LIMIT = 8 * 2**20
"""In bytes: manifests have 4 MiB at most, and nothing else is pushed but blobs."""


class _Streamed(StreamingResponse):
    """An answer that is sent as it comes; the registry's connection is free at its end."""

    def __init__(self, answer: Answer, headers: Headers, stack: AsyncExitStack) -> None:
        super().__init__(answer.pieces(), status_code=answer.status)
        self.raw_headers = raw(headers)
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._stack:
            await super().__call__(scope, receive, send)


@dataclass(frozen=True)
class Forwarder:
    """Forwards requests. ``bodies`` bounds how many are held at a time."""

    upstream: Upstream
    rewriter: Rewriter
    bodies: asyncio.Semaphore

    async def forward(self, request: Request, base: str) -> Response:
        """Return the registry's answer to a request.

        :param base: the relay's URL as the client calls it.
        :raises Unsupported: no registry has this method.
        :raises SizeInvalid: (413) the body is too long.
        :raises Unavailable: the registry does not answer.
        :raises ClientDisconnect: the client hung up.
        """
        if request.method not in METHODS:
            names = ", ".join(sorted(METHODS))
            raise Unsupported(f"use one of the methods {names}", headers={"Allow": names})
        async with AsyncExitStack() as stack:
            body = None
            if _may_have_body(request):
                await stack.enter_async_context(self.bodies)
                body = await _body(request)

            async def answer(request: Request) -> Response:
                sent = of_request(request.headers.items())
                response = await stack.enter_async_context(
                    self.upstream.send(request.method, target_of(request), sent, body)
                )
                seen = self.rewriter.seen_at(base, of_answer(response.headers.items()))
                return _Streamed(response, seen, stack.pop_all())

            return await unless_disconnected(request, answer)

    def answer(self, answered: Answered, base: str) -> Response:
        """Return an answer that was read whole."""
        response = Response(answered.body, status_code=answered.status)
        response.raw_headers = raw(self.rewriter.seen_at(base, answered.headers))
        return response


def raw(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return headers as ASGI has them, byte by byte as they came: aiohttp decodes them so."""
    return [(_encoded(name), _encoded(value)) for name, value in headers]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def target_of(request: Request) -> str:
    """Return the path and query of a request as the client sent them."""
    path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return (path + b"?" + query if query else path).decode("latin-1")


def _may_have_body(request: Request) -> bool:
    return has_body(request) or "content-length" in request.headers


async def _body(request: Request) -> bytes:
    """Return the body, which may be empty.

    :raises ClientDisconnect: the client hung up, or does not send it in time.
    """
    try:
        async with asyncio.timeout(SILENCE):
            body = await read_body(request, BODY_LIMIT)
    except TimeoutError:
        raise ClientDisconnect from None
    if body is None:
        raise SizeInvalid(
            f"the body has more than {BODY_LIMIT} bytes",
            status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )
    return body
