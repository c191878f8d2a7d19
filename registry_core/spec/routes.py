"""Requests parsed to endpoints, and endpoints built back to the URLs to request.

`parse` and `build` are exact inverses, so that a server and a client cannot drift apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlencode

from . import endpoints as e
from .endpoints import Endpoint
from .errors import NameUnknown, Unsupported
from .parameters import Parameters, Query

# Paths are tried in this order: the name of a repository may contain the words of other paths.
ENDPOINTS: tuple[type[Endpoint], ...] = (
    *(e.CheckVersion, e.ListCatalog, e.ListTags),
    *(e.StartUpload, e.MountBlob, e.GetUpload, e.AppendUpload, e.FinishUpload, e.CancelUpload),
    *(e.GetBlob, e.HeadBlob, e.DeleteBlob),
    *(e.GetManifest, e.HeadManifest, e.PushManifest, e.DeleteManifest),
    e.ListReferrers,
)

_FIELD = re.compile(r"\{(\w+)\}")


def build(endpoint: Endpoint) -> str:
    """Return the path and query to request, percent-encoded."""
    path = quote(endpoint.path, safe="/:")
    query = urlencode(endpoint.query, safe=":", quote_via=quote)
    return f"{path}?{query}" if query else path


def parse(method: str, path: str, query: Query) -> Endpoint:
    """Return the endpoint that a request names.

    :param path: percent-decoded.
    :raises NameInvalid, TagInvalid, DigestInvalid, PaginationNumberInvalid: a part is malformed.
    :raises ManifestUnknown: a reference is malformed, and its manifest is to be read or deleted.
    :raises NameUnknown: no endpoint has this path.
    :raises Unsupported: no endpoint of this path has the method.
    """
    for pattern, by_method in _ROUTES:
        if match := pattern.fullmatch(path):
            parameters = Parameters(query)
            kind = _select(method, by_method)
            if kind is e.StartUpload and e.MountBlob.is_requested(parameters):
                kind = e.MountBlob
            return _make(kind, match.groupdict(), parameters)
    raise NameUnknown(f"no such endpoint: {path[:300]!r}")


def _select(method: str, by_method: Mapping[str, type[Endpoint]]) -> type[Endpoint]:
    if method in by_method:
        return by_method[method]
    names = ", ".join(sorted(by_method))
    raise Unsupported(
        f"method {method[:40]!r} is not supported here; use {names}", headers={"Allow": names}
    )


def _make(kind: type[Endpoint], texts: Mapping[str, str], parameters: Parameters) -> Endpoint:
    make: Callable[..., Endpoint] = kind
    fields = {name: kind.field_parsers[name](text) for name, text in texts.items()}
    return make(**fields, **kind.parse_query(parameters))


def _pattern(template: str) -> re.Pattern[str]:
    """Return the pattern of a template's paths. A slash at the end is optional."""
    expression = _FIELD.sub(_group, template)
    return re.compile(f"{expression}?" if template.endswith("/") else expression)


def _group(field: re.Match[str]) -> str:
    """Only names of repositories have slashes."""
    characters = ".+" if field[1] == "repository" else "[^/]+"
    return f"(?P<{field[1]}>{characters})"


def _routes() -> Mapping[str, Mapping[str, type[Endpoint]]]:
    """Return the endpoints by path template and method, in the order of `ENDPOINTS`."""
    routes: dict[str, dict[str, type[Endpoint]]] = {}
    for kind in ENDPOINTS:
        by_method = routes.setdefault(kind.path_template, {})
        for method in (kind.method, *kind.other_methods):
            by_method.setdefault(method, kind)
    return routes


_ROUTES = tuple((_pattern(template), by_method) for template, by_method in _routes().items())
