"""What Functions' Python worker keeps of a request, and nobody lets go of.

`HttpCoordinator` brings a request and its invocation together, and keeps an object for each, about
2 KB, for as long as the process lives (azure-functions-runtime 1.3.0, `http_v2.py`; the worker of
older Pythons is the same). An instance that is never idle would grow until it is out of memory.
"""

from __future__ import annotations

import sys

from starlette.requests import Request

INVOCATION_ID = "x-ms-invocation-id"
_MODULES = ("azure_functions_runtime.http_v2", "azure_functions_worker.http_v2")


def forget_invocation(request: Request) -> None:
    """To be called once the worker has given out the request and taken the answer.

    Does nothing where there is no such worker, or one that keeps its objects elsewhere.
    """
    invocation = request.headers.get(INVOCATION_ID)
    for name in _MODULES:
        coordinator = getattr(sys.modules.get(name), "http_coordinator", None)
        kept = getattr(coordinator, "_context_references", None)
        if isinstance(kept, dict):
            kept.pop(invocation, None)
