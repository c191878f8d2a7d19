"""Routing: every path reaches the registry, also one with a line break.

The Functions extension has a single route, `/{path:path}`, and Starlette's convertor of that name
ends at a line break. FastAPI would answer such a request by itself, and the invocation that belongs
to it would wait until `functionTimeout`.
"""

from starlette.convertors import PathConvertor, register_url_convertor


class _AnyPath(PathConvertor):
    regex = "(?s:.*)"


def route_every_path() -> None:
    """Call before the extension makes its route: while `function_app` is imported."""
    register_url_convertor("path", _AnyPath())
