"""Which function a request belongs to, and which path the worker sees. Pure.

Sources: `WebScriptHostHttpRoutesManager` and `WebJobsRouteBuilder` (routes of functions), ASP.NET
Core's `TemplateMatcher` (matching), Kestrel's `PathDecoder` and YARP's `RequestUtilities`
(percent-encoding).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

# What YARP does not encode in a path: unreserved and sub-delims of RFC 3986, and `:`, `@`, `/`.
_PATH_CHARACTERS = "/-._~!$&'()*+,;=:@"
_PARAMETER = re.compile(r"\{(?P<all>\*{0,2})(?P<name>\w+)(?P<optional>\??)\}")
_ENCODED_SLASH = re.compile("%2f", re.IGNORECASE)


class UnsupportedRoute(ValueError):
    """A route template that this stand-in does not support: with constraints, for example."""


@dataclass(frozen=True)
class HttpFunction:
    """An HTTP function as the host knows it."""

    name: str
    function_id: str
    trigger: str  # the parameter of the Python function that takes the request
    route: str
    methods: frozenset[str] | None  # none: every method

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Return the route parameters if the request belongs to this function, else None."""
        if self.methods is not None and method.upper() not in self.methods:
            return None
        return match_template(self.route, path)


def http_function(
    name: str, function_id: str, bindings: Iterable[Mapping[str, object]], prefix: str
) -> HttpFunction | None:
    """Return the HTTP function that raw bindings describe, or None if its trigger is another.

    As in the host, an empty route is replaced by the function's name: the root is `route="/"`, not
    `route=""`.

    :raises UnsupportedRoute:
    """
    for binding in bindings:
        if str(binding["type"]).lower() != "httptrigger":
            continue
        route = str(binding.get("route") or name)
        methods = binding.get("methods")
        named = (
            frozenset(str(m).upper() for m in methods) if isinstance(methods, Sequence) else None
        )
        full = f"{prefix}/{route}" if prefix else route
        match_template(full, "/")  # an unsupported template fails at the start
        return HttpFunction(name, function_id, str(binding["name"]), full, named or None)
    return None


def route_prefix(app: Path) -> str:
    """Return `extensions.http.routePrefix` of the app's host.json; `api` by default."""
    host_json = app / "host.json"
    settings = json.loads(host_json.read_text()) if host_json.exists() else {}
    return str(settings.get("extensions", {}).get("http", {}).get("routePrefix", "api")).strip("/")


def match_template(template: str, path: str) -> dict[str, str] | None:
    """Return the parameters of a decoded path that matches a template such as `v2/{*path}`.

    :raises UnsupportedRoute:
    """
    segments = path.removeprefix("/").split("/")
    parameters: dict[str, str] = {}
    for part in [part for part in template.strip("/").split("/") if part]:
        found = _PARAMETER.fullmatch(part)
        if found is None and "{" in part:
            raise UnsupportedRoute(f"{part!r} in the route {template!r}")
        if found and found["all"]:
            return parameters | {found["name"]: "/".join(segments)}
        segment = segments.pop(0) if segments else ""
        if found is None:
            if part.lower() != segment.lower():
                return None
        elif segment:
            parameters[found["name"]] = segment
        elif not found["optional"]:
            return None
    return None if any(segments) else parameters


def decoded(raw_path: str) -> str:
    """Return the path as Kestrel decodes it: all but `%2F`, and without dot segments.

    :raises ValueError: it has an encoded NUL, which Kestrel answers with 400.
    """
    kept = _ENCODED_SLASH.sub(lambda slash: "%25" + slash[0][1:], raw_path)
    try:
        path = unquote(kept, errors="strict")
    except UnicodeDecodeError:  # octets that are not UTF-8 stay encoded
        path = raw_path
    if "\0" in path:
        raise ValueError("a path with an encoded NUL")
    return _without_dot_segments(path)


def forwarded(path: str) -> str:
    """Return the path as YARP sends it to the worker: encoded again, `%2F` as `%252F`."""
    return quote(path, safe=_PATH_CHARACTERS)


def _without_dot_segments(path: str) -> str:
    """Apply RFC 3986, 5.2.4, but keep empty segments."""
    if "/." not in path:
        return path
    segments = path.split("/")
    kept: list[str] = []
    for segment in segments[1:]:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
