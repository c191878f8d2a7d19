"""The HTTP front end: the Functions host between a client and the worker.

For each request it selects the function, starts an invocation, forwards the request to the worker's
own HTTP server at the same time, and relays the answer as it arrives. Source:
`DefaultHttpProxyService` and its neighbours (Azure/azure-functions-host).
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any, Self

from .body import ClientGone, Receive, RequestBody
from .head import apply_front_end_headers, refusal
from .invocations import Invocations, Run
from .relay import Relay, Scope, Send, worker_client
from .routes import HttpFunction, decoded
from .worker import Worker

DEFAULT_BODY_LIMIT = 100 * 1024 * 1024
_ADMIN = "/admin/functions/"
_FAILED_SECONDS = 5.0  # time for the worker's own 500 after an invocation failed

logger = logging.getLogger(__name__)


class FrontEnd:
    """The ASGI application in front of a worker, and an async context manager.

    ``in_azure``: behind Azure's front ends, as on Flex Consumption.
    """

    def __init__(
        self, worker: Worker, body_limit: int = DEFAULT_BODY_LIMIT, *, in_azure: bool = False
    ) -> None:
        self._worker = worker
        self._body_limit = body_limit
        self._in_azure = in_azure
        self._invocations = Invocations()
        self._client = worker_client(worker.http_uri)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._invocations.close()
        await self._client.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if status := refusal(scope):
            await _answer(send, status)
            return
        if self._in_azure:
            apply_front_end_headers(scope)
        try:
            scope["path"] = decoded(scope["raw_path"].decode("latin-1"))
        except ValueError:
            await _answer(send, 400)
            return
        if scope["method"] == "POST" and scope["path"].startswith(_ADMIN):
            await self._start(scope["path"].removeprefix(_ADMIN), send)
            return
        for function in self._worker.http_functions:
            parameters = function.match(scope["method"], scope["path"])
            if parameters is not None:
                await self._serve(function, parameters, scope, receive, send)
                return
        await _answer(send, 404)

    async def _start(self, name: str, send: Send) -> None:
        """Run a timer now: the host's administration endpoint.

        Tests also start an HTTP function, which then gets no request, as if it could not be
        forwarded.
        """
        runs: dict[str, Run] = {
            function.name: partial(self._worker.invoke_http, function, {})
            for function in self._worker.http_functions
        }
        runs |= {timer: partial(self._worker.invoke_timer, timer) for timer in self._worker.timers}
        if name in runs:
            self._invocations.start(name, runs[name])
        await _answer(send, 202 if name in runs else 404)

    async def _serve(
        self,
        function: HttpFunction,
        parameters: dict[str, str],
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        body = RequestBody(dict(scope["headers"]), receive, self._body_limit)
        relay = Relay(self._client, scope, body, send)
        try:
            await body.prepare()
            await self._exchange(function, parameters, relay, body)
        except ClientGone:
            logger.info("The client disconnected from %s %s", scope["method"], scope["path"])
        except Exception:
            if relay.started:  # uvicorn breaks the connection off, so that the client sees it
                raise
            logger.exception("%s %s could not be forwarded", scope["method"], scope["path"])
            # Also for a body that is too large, not 413: azure-functions-host issue 10519.
            await _answer(send, 500)
        finally:
            body.close()

    async def _exchange(
        self, function: HttpFunction, parameters: dict[str, str], relay: Relay, body: RequestBody
    ) -> None:
        """Run an invocation and its HTTP request at the same time. Raises what ended them early."""
        run = partial(self._worker.invoke_http, function, parameters)
        invocation_id, invocation = self._invocations.start(function.name, run)
        forwarding = asyncio.create_task(relay.run(invocation_id))
        gone = asyncio.create_task(body.until_gone())
        try:
            await _first({forwarding, gone, invocation}, None)
            failed = invocation.done() and not invocation.result()
            await _first({forwarding, gone}, _FAILED_SECONDS if failed else None)
            if body.failure is not None:
                raise body.failure
            if not forwarding.done():
                raise ClientGone if gone.done() else TimeoutError("the worker does not answer")
            self._invocations.exchange_over(invocation)
            forwarding.result()
        finally:
            await _cancelled(forwarding, gone)


async def _first(tasks: set[asyncio.Task[Any]], seconds: float | None) -> None:
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=seconds)


async def _cancelled(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _answer(send: Send, status: int) -> None:
    """Send one of the host's own answers, which have no body."""
    await send(
        {"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]}
    )
    await send({"type": "http.response.body", "body": b""})
