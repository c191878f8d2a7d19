"""What Functions' Python worker leaves undone: invocations that are over, or never begin.

Its `HttpCoordinator` brings each request together with its invocation, by a reference for each.

- It never lets go of one: about 2 KB of each request, for as long as the process lives.
- It waits for a request for ever. One that the host could not forward, because its client was gone,
  would leave its invocation waiting until `functionTimeout`, at which the host ends the process.

Source: azure-functions-runtime 1.3.0, `http_v2.py` (the worker for Python 3.12 and older has the
same). Where there is no such worker, or one that keeps its books elsewhere, nothing is done.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from starlette.requests import Request

INVOCATION_ID = "x-ms-invocation-id"

# In seconds. The host forwards a request before it announces its invocation: they are milliseconds
# apart, whatever the load.
PATIENCE = 30.0
_BETWEEN_LOOKS = 5.0
_MODULES = ("azure_functions_runtime.http_v2", "azure_functions_worker.http_v2")

_log = logging.getLogger(__name__)


class WorkerBooks:
    """The references that the worker keeps. One for the process."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._waiting: dict[str, float] = {}
        self._ended: set[str] = set()
        self._is_watching = False

    def close(self, request: Request) -> None:
        """Let go of a request, once the worker has given it out and taken its answer.

        From the first one on, what waits in vain is ended. To be called in the event loop.
        """
        invocation = request.headers.get(INVOCATION_ID)
        references = _references()
        if invocation is None or references is None:
            return
        references.pop(invocation, None)
        if not self._is_watching:
            self._is_watching = True
            self._look()

    def end_abandoned(self) -> None:
        """Let invocations fail that have waited too long for their requests."""
        references = _references() or {}
        for invocation in self._ended:
            references.pop(invocation, None)
        self._ended.clear()
        now = self._now()
        waits = [invocation for invocation, kept in references.items() if _waits(kept)]
        self._waiting = {invocation: self._waiting.get(invocation, now) for invocation in waits}
        for invocation, since in self._waiting.items():
            if now - since >= PATIENCE:
                _log.warning("invocation %s has no request: its client was gone", invocation)
                # The worker wakes up, finds no request, and reports that as a failure.
                references[invocation].http_request_available_event.set()
                self._ended.add(invocation)

    def _look(self) -> None:
        self.end_abandoned()
        asyncio.get_running_loop().call_later(_BETWEEN_LOOKS, self._look)


def _references() -> dict[str, Any] | None:
    for name in _MODULES:
        coordinator = getattr(sys.modules.get(name), "http_coordinator", None)
        references = getattr(coordinator, "_context_references", None)
        if isinstance(references, dict):
            return references
    return None


def _waits(reference: Any) -> bool:
    event = getattr(reference, "http_request_available_event", None)
    return isinstance(event, asyncio.Event) and not event.is_set()


books = WorkerBooks()
