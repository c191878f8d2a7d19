"""Links from one page of a listing to the next.

A registry's position in its storage may contain names that the caller may not see: those before and
behind a name that they may. So a link carries it sealed, and always at the same length.
"""

from __future__ import annotations

import json
from dataclasses import replace

from ..registry import Listing
from ..spec.endpoints import ALL, ListCatalog, ListReferrers, ListTags, PageQuery
from ..spec.errors import PaginationNumberInvalid
from ..spec.ranges import next_link
from ..spec.routes import build
from .context import RequestContext
from .sealing import SealBroken

PagedEndpoint = ListCatalog | ListReferrers | ListTags

# Positions are padded to a multiple of this many bytes. It holds storage's marker of any name.
_PADDED_BYTES = 1024


def open_page(context: RequestContext, endpoint: PagedEndpoint) -> PageQuery:
    """Return the page that was requested, at the position of the link if the client followed one.

    :raises PaginationNumberInvalid: this registry did not return that link, for this listing, to
        this caller.
    """
    page = endpoint.page
    if page.token is None:
        return page
    try:
        position = context.server.pages.open(page.token, _context(context, endpoint))
    except SealBroken:
        raise PaginationNumberInvalid(
            "the link to this page is not valid (any more): start again"
        ) from None
    last, token = json.loads(position)
    return PageQuery(page.n, last, token)


def link_headers(
    context: RequestContext, endpoint: PagedEndpoint, listing: Listing[object], last: str | None
) -> dict[str, str]:
    """Return the header ``Link`` to the page that follows ``listing``; none after the last page.

    :param last: the last name that the caller has seen: the only one in the link that is legible.
    """
    following = listing.next
    if following is None:
        return {}
    position = json.dumps([following.last, following.token]).encode()
    padded = position.ljust(-(-len(position) // _PADDED_BYTES) * _PADDED_BYTES)
    token = context.server.pages.seal(padded, _context(context, endpoint))
    page = PageQuery(following.n, last, token)
    return {"Link": next_link(context.url(replace(endpoint, page=page)))}


def _context(context: RequestContext, endpoint: PagedEndpoint) -> str:
    """Return what a sealed position belongs to: a listing, with its filter, and a caller."""
    return f"{build(replace(endpoint, page=ALL))}\n{context.caller.name}"
