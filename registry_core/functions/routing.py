"""Routing: every path reaches the registry, also one with a line break, and as it was sent.

The Functions extension has a single route, `/{path:path}`, and Starlette's convertor of that name
ends at a line break. FastAPI would answer such a request by itself, and the invocation that belongs
to it would wait until `functionTimeout`.

The host decodes the path, except for slashes, and encodes it again: an encoded slash (`%2F`)
arrives encoded twice. One that the client itself encoded twice arrives in the same way.
"""

import re

from starlette.convertors import PathConvertor, register_url_convertor
from starlette.types import Scope

_ENCODED_SLASH = re.compile("%2f", re.IGNORECASE)


class _AnyPath(PathConvertor):
    regex = "(?s:.*)"


def route_every_path() -> None:
    """Call before the extension makes its route: while `function_app` is imported."""
    register_url_convertor("path", _AnyPath())


def decode_slashes(scope: Scope) -> None:
    """Decode the slashes in the path of a request that came through the Functions host."""
    scope["path"] = _ENCODED_SLASH.sub("/", scope["path"])
