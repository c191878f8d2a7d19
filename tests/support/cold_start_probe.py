"""What a new process goes through before it can answer. Run by `cold_start`; prints JSON.

Its arguments are modules to import, which are timed, or ``--answer``: then it is `function_app`,
and the first request for ``/v2/``, handed to the function as the Functions runtime does.
"""

from __future__ import annotations

import gc
import sys
import time


def main(arguments: list[str]) -> dict[str, object]:
    began = _clocks()
    if arguments != ["--answer"]:
        for name in arguments:
            __import__(name)
        return {"imported": _since(began), "modules": sorted(sys.modules)}
    import function_app

    imported, began = _since(began), _clocks()
    # The runtime's event loop runs already; here it begins with the request.
    import asyncio

    status = asyncio.run(_answer(function_app))
    return {
        "imported": imported,
        "answered": _since(began),
        "status": status,
        "collects": gc.isenabled(),
        "frozen": gc.get_freeze_count(),
        "modules": sorted(sys.modules),
    }


async def _answer(app: object) -> int:
    from starlette.requests import Request

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v2/",
        "raw_path": b"/v2/",
        "query_string": b"",
        "headers": [(b"host", b"registry.test")],
        "scheme": "http",
        "server": ("registry.test", 80),
        "root_path": "",
    }
    functions = {each.get_function_name(): each for each in app.app.get_functions()}  # type: ignore[attr-defined]
    response = await functions["v2"].get_user_function()(Request(scope))
    await app.registry.close()  # type: ignore[attr-defined]
    status: int = response.status_code
    return status


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(began: tuple[float, float]) -> list[float]:
    """Seconds that have passed, and seconds of CPU."""
    return [now - then for now, then in zip(_clocks(), began, strict=True)]


if __name__ == "__main__":
    found = main(sys.argv[1:])
    import json

    print(json.dumps(found))  # noqa: T201 - what it is run for
