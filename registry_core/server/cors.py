"""CORS: what pages of other origins may do with the registry in a browser.

Written by hand because Starlette's `CORSMiddleware` wraps a whole ASGI application, and Azure
Functions calls for one `Response` at a time; besides, it allows credentials to pages of any origin.

Source: WHATWG Fetch, "CORS protocol".
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from ..spec.origins import NO_ORIGINS, Origins
from .access_log import name_operation

_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"

# Headers that clients send to the registry and that pages may send only with permission. The value
# "*" would not include Authorization.
_REQUEST_HEADERS = (
    "Accept, Authorization, Cache-Control, Content-Range, Content-Type, If-Match, If-None-Match, "
    "If-Range, Pragma, Range, X-Requested-With"
)

# Headers of answers that pages may read, besides the few that they always may.
_ANSWER_HEADERS = (
    "Accept-Ranges, Allow, Content-Range, Docker-Content-Digest, "
    "Docker-Distribution-Api-Version, Docker-Upload-UUID, ETag, Link, Location, "
    "OCI-Chunk-Max-Length, OCI-Filters-Applied, OCI-Subject, OCI-Tag, Range, Retry-After, "
    "WWW-Authenticate"
)

# In seconds. Chrome keeps the answer to a preflight for two hours at most.
_MAX_AGE = "7200"


@dataclass(frozen=True)
class Cors:
    """The permissions of pages, by their origins. Without origins no answer mentions CORS."""

    origins: Origins = NO_ORIGINS

    def permits_preflight(self, request: Request) -> bool:
        """Return whether a request is the preflight of a page that may use the registry.

        Browsers send preflights without credentials, so they have to be answered without a login.
        """
        return (
            request.method == "OPTIONS"
            and "access-control-request-method" in request.headers
            and self.origins.allow(request.headers.get("origin"))
        )

    async def answer_preflight(self, request: Request) -> Response:
        """Return the answer to a preflight, to which `add_headers` adds the rest."""
        name_operation(request.scope, "Preflight")
        headers = {
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _REQUEST_HEADERS,
            "Access-Control-Max-Age": _MAX_AGE,
        }
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)

    def add_headers(self, request: Request, response: Response) -> None:
        """Let the page that sent the request read the answer, if its origin may.

        Pages of listed origins may send the browser's own credentials, those of any origin may not:
        every page on the web could act as the user.
        """
        origin = request.headers.get("origin")
        if self.origins.listed:
            response.headers.add_vary_header("Origin")
        if not self.origins.allow(origin):
            return
        response.headers["Access-Control-Expose-Headers"] = _ANSWER_HEADERS
        if self.origins.any or origin is None:
            response.headers["Access-Control-Allow-Origin"] = "*"
        else:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Credentials"] = "true"
