"""Caching: content under a digest never changes, so the digest is its ETag.

Neither value of ``Cache-Control`` lets a shared cache keep what was asked for with credentials (RFC
9111 section 3.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from ..spec.digest import Digest

UNCHANGING = "max-age=31536000, immutable"
"""``Cache-Control`` of what was asked for by digest: a year, which RFC 9111 takes for ever."""

REVALIDATED = "no-cache"
"""``Cache-Control`` of what was asked for by tag: may be kept, but asked about each time (304)."""


def not_modified(request: Request, digest: Digest, headers: Mapping[str, str]) -> Response | None:
    """304 with ``headers`` for a client that has the content already, None for any other."""
    if not _has(request, digest):
        return None
    return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)


def _has(request: Request, digest: Digest) -> bool:
    """Whether ``If-None-Match`` (RFC 9110 section 13.1.2) names the digest, quoted or bare."""
    candidates = ",".join(request.headers.getlist("if-none-match")).split(",")
    named = {candidate.strip().removeprefix("W/").strip('"') for candidate in candidates}
    return str(digest) in named or "*" in named
