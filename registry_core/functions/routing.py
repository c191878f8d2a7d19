"""Every path reaches the registry, one with a line break as well.

The Functions extension has a single route, `/{path:path}`, and Starlette's convertor of that name
ends at a line break. FastAPI would answer such a request by itself, and the invocation that belongs
to it would wait until `functionTimeout`.
"""

from starlette.convertors import PathConvertor, register_url_convertor


class _EveryPath(PathConvertor):
    regex = "(?s:.*)"


def take_every_path() -> None:
    """Call it before the extension makes its route: while `function_app` is imported."""
    register_url_convertor("path", _EveryPath())
