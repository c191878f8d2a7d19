"""Invocations: each request is answered within one, and the worker keeps nothing of it.

The `HttpCoordinator` of Functions' Python worker joins each request with its invocation through a
reference, and leaves two things undone:

- It never removes a reference: about 2 KB of each request, for as long as the process lives.
- It waits for a request without a limit. If the host could not forward one, because the client had
  disconnected, the invocation waits until `functionTimeout`, when the host ends the process.

Source: azure-functions-runtime 1.3.0, `http_v2.py`; the worker for Python 3.12 and older has the
same. Without such a worker, or if a later one stores its references elsewhere, nothing is done.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .routing import decode_slashes

INVOCATION_ID = "x-ms-invocation-id"

# In seconds. The host forwards a request before it announces its invocation; they arrive
# milliseconds apart, whatever the load.
PATIENCE = 30.0
_CHECK_INTERVAL = 5.0
_WORKER_MODULES = ("azure_functions_runtime.http_v2", "azure_functions_worker.http_v2")

_log = logging.getLogger(__name__)

Answer = Callable[[Request], Awaitable[Response]]


class InvocationReferences:
    """The worker's references from invocations to requests. One instance per process."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._waiting: dict[str, float] = {}
        self._ended: set[str] = set()
        self._is_watching = False

    def release(self, request: Request) -> None:
        """Remove a request's reference, once the worker has taken the answer.

        The first call starts the watch for abandoned invocations. Needs a running event loop.
        """
        invocation = request.headers.get(INVOCATION_ID)
        references = _references()
        if invocation is None or references is None:
            return
        references.pop(invocation, None)
        if not self._is_watching:
            self._is_watching = True
            self._watch()

    def end_abandoned(self) -> None:
        """Make invocations fail that have waited too long for their requests."""
        references = _references() or {}
        for invocation in self._ended:
            references.pop(invocation, None)
        self._ended.clear()
        now = self._now()
        waiting = [invocation for invocation, kept in references.items() if _is_waiting(kept)]
        self._waiting = {invocation: self._waiting.get(invocation, now) for invocation in waiting}
        for invocation, since in self._waiting.items():
            if now - since >= PATIENCE:
                _log.warning(
                    "invocation %s got no request: its client had disconnected", invocation
                )
                # The worker wakes up, finds no request, and reports that as a failure.
                references[invocation].http_request_available_event.set()
                self._ended.add(invocation)

    def _watch(self) -> None:
        self.end_abandoned()
        asyncio.get_running_loop().call_later(_CHECK_INTERVAL, self._watch)


def _references() -> dict[str, Any] | None:
    for name in _WORKER_MODULES:
        coordinator = getattr(sys.modules.get(name), "http_coordinator", None)
        references = getattr(coordinator, "_context_references", None)
        if isinstance(references, dict):
            return references
    return None


def _is_waiting(reference: Any) -> bool:
    event = getattr(reference, "http_request_available_event", None)
    return isinstance(event, asyncio.Event) and not event.is_set()


_process_references = InvocationReferences()


class _Released(Response):
    """An answer that releases its request's reference when the worker sends it."""

    def __init__(self, inner: Response, request: Request) -> None:
        super().__init__(status_code=inner.status_code)
        self.raw_headers = inner.raw_headers
        self._inner = inner
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _process_references.release(self._request)
        await self._inner(scope, receive, send)


async def invoke(answer: Answer, request: Request) -> Response:
    """Return the answer to the request of one invocation."""
    decode_slashes(request.scope)
    return _Released(await answer(request), request)
