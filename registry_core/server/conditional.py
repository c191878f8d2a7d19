"""Conditional requests and caching: the digest of content is its ETag.

Neither value of ``Cache-Control`` allows shared caches to store the answers to requests that have
credentials (RFC 9111 section 3.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from ..spec.digest import Digest

UNCHANGING = "max-age=31536000, immutable"
"""``Cache-Control`` of content requested by digest: it never changes. A year, in seconds."""

REVALIDATED = "no-cache"
"""``Cache-Control`` of content requested by tag: to be revalidated (304) before each use."""


def not_modified(request: Request, digest: Digest, headers: Mapping[str, str]) -> Response | None:
    """Return 304 with ``headers`` if the client has the content already, else None."""
    if not _has(request, digest):
        return None
    return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)


def _has(request: Request, digest: Digest) -> bool:
    """Return whether ``If-None-Match`` (RFC 9110 section 13.1.2) has the digest, quoted or bare."""
    candidates = ",".join(request.headers.getlist("if-none-match")).split(",")
    etags = {candidate.strip().removeprefix("W/").strip('"') for candidate in candidates}
    return str(digest) in etags or "*" in etags
