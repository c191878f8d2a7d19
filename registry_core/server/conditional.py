"""Conditional requests and caching: the digest of content is its ETag.

Neither value of ``Cache-Control`` allows shared caches to store the answers to requests that have
credentials (RFC 9111 section 3.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

from ..spec.digest import Digest
from ..spec.preconditions import Precondition
from .context import RequestContext

UNCHANGING = "max-age=31536000, immutable"
"""``Cache-Control`` of content requested by digest: it never changes. A year, in seconds."""

REVALIDATED = "no-cache"
"""``Cache-Control`` of content requested by tag: to be revalidated (304) before each use."""

# RFC 9110 section 13.1
_CONDITIONS = (
    *("if-match", "if-none-match", "if-modified-since", "if-unmodified-since"),
    "if-range",
)


def precondition_of(context: RequestContext) -> Precondition | None:
    """Return what ``If-Match`` and ``If-None-Match`` state; None if the request has neither.

    Conditions on dates are ignored: no answer of the registry has a ``Last-Modified``.
    """
    return Precondition.parse(context.header("if-match"), context.header("if-none-match"))


def not_modified(
    context: RequestContext, digest: Digest, headers: Mapping[str, str]
) -> Response | None:
    """Return 304 with ``headers`` if the client of a GET or HEAD has the content, else None.

    :raises PreconditionFailed: ``If-Match`` does not hold.
    """
    precondition = precondition_of(context)
    if precondition is None:
        return None
    if precondition.is_expected(digest) and precondition.is_known(digest):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    precondition.check(digest)
    return None


def is_conditional(context: RequestContext) -> bool:
    """Return whether the request has any condition.

    Storage would judge it differently, because its ETags and dates are not the registry's.
    """
    return any(context.header(name) is not None for name in _CONDITIONS)
