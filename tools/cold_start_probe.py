"""Import modules, or start the app and serve one request; print what it took as JSON.

`cold_start` runs this as a new process. The arguments are modules to import. With ``--answer``
before them, `function_app` is imported first and its function for ``/v2/`` called once, as the
Functions runtime does.
"""

from __future__ import annotations

import gc
import sys
import time


def main(arguments: list[str]) -> dict[str, object]:
    start = _clocks()
    if "--answer" not in arguments:
        return {"imported": _import(arguments), "modules": sorted(sys.modules)}
    import function_app

    imported, start = _elapsed(start), _clocks()
    # Under the runtime the event loop is running already; here the request starts it.
    import asyncio

    status = asyncio.run(_answer(function_app))
    return {
        "imported": imported,
        "answered": _elapsed(start),
        "status": status,
        "collects": gc.isenabled(),
        "frozen": gc.get_freeze_count(),
        "modules": sorted(sys.modules),
        "later": _import(arguments[1:]),
    }


def _import(names: list[str]) -> list[float]:
    start = _clocks()
    for name in names:
        __import__(name)
    return _elapsed(start)


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


def _elapsed(start: tuple[float, float]) -> list[float]:
    """Return the seconds and the CPU seconds since ``start``."""
    return [now - then for now, then in zip(_clocks(), start, strict=True)]


if __name__ == "__main__":
    found = main(sys.argv[1:])
    import json

    print(json.dumps(found))
