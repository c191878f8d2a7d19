"""HTTP-triggered functions as one ASGI application that answers as the Functions host does.

Routes are tried in the order of the functions' names, not by how specific they are; what no
function takes, path or method, is 404 (never 405). Literal parts match in any case, and a slash at
the end changes nothing. Source: ASP.NET Core's `TemplateMatcher`, which the host uses, and trials.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .functions import HttpFunction, UnsupportedFunction

_PARAMETER = re.compile(r"\{(\*?)([A-Za-z_]\w*)\}")
_ENCODED_SLASH = re.compile("(%2f)", re.IGNORECASE)


class FunctionRoutes:
    """The ASGI application. A handler that raises is the server's to answer, with 500."""

    def __init__(self, functions: Sequence[HttpFunction]) -> None:
        """:raises UnsupportedFunction: when a route is more than names and parameters."""
        self._routes = [(compile_route(function.route), function) for function in functions]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = decode_path(scope["raw_path"].decode("ascii"))
        for pattern, function in self._routes:
            match = pattern.fullmatch(path)
            if match and (not function.methods or scope["method"] in function.methods):
                parameters = {k: v for k, v in match.groupdict().items() if v}
                scope = {**scope, "path": path, "path_params": parameters}
                response = await _call(function, Request(scope, receive))
                await response(scope, receive, send)
                return
        await Response(status_code=404)(scope, receive, send)


async def _call(function: HttpFunction, request: Request) -> Response:
    response: object = await function.handler(**{function.argument: request})
    if not isinstance(response, Response):
        raise TypeError(f"function {function.name} returned {type(response).__name__}, no Response")
    return response


def compile_route(template: str) -> re.Pattern[str]:
    """The paths that a route template means; its parameters become groups.

    ``{name}`` is one segment, ``{*name}`` at the end is any number of them, none included.

    :raises UnsupportedFunction: for constraints, defaults and the like.
    """
    pattern = ""
    segments = template.split("/") if template else []
    for position, segment in enumerate(segments):
        parameter = _PARAMETER.fullmatch(segment)
        if parameter is None and not set(segment) & set("{}*?"):
            pattern += "/" + re.escape(segment)
        elif parameter and not parameter[1]:
            pattern += f"/(?P<{parameter[2]}>[^/]+)"
        elif parameter and position == len(segments) - 1:
            pattern += f"(?:/(?P<{parameter[2]}>.*))?"
        else:
            raise UnsupportedFunction(f"route {template!r}: no {segment!r} in the local host")
    return re.compile(pattern + "/?", re.IGNORECASE | re.DOTALL)


def decode_path(raw_path: str) -> str:
    """A path as Azure hands it to a function: decoded once, but for ``%2F``, which stays as it is.

    ASP.NET Core leaves it alone, so that the path keeps its segments (`PathString`), and encodes
    its percent sign when it forwards the request: a function sees the three characters.
    """
    parts = _ENCODED_SLASH.split(raw_path)
    return "".join(part if index % 2 else unquote(part) for index, part in enumerate(parts))
