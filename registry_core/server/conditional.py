"""Conditional requests: content under a digest never changes, so the digest is its ETag."""

from __future__ import annotations

from starlette.requests import Request

from ..spec.digest import Digest


def is_current(request: Request, digest: Digest) -> bool:
    """Whether ``If-None-Match`` (RFC 9110 section 13.1.2) names the digest, quoted or bare."""
    candidates = ",".join(request.headers.getlist("if-none-match")).split(",")
    named = {candidate.strip().removeprefix("W/").strip('"') for candidate in candidates}
    return str(digest) in named or "*" in named
