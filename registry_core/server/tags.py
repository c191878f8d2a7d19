"""Tags over HTTP. OCI distribution-spec, "Listing tags"."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import JSONResponse, Response

from ..spec.endpoints import ListTags
from ..spec.ranges import next_link
from .context import RequestContext

MAX_TAGS = 1000
"""On one page; without ``n`` there is only one, with all of them."""


async def list_tags(context: RequestContext, endpoint: ListTags) -> Response:
    page = endpoint.page
    if page.n is not None:
        page = replace(page, n=min(page.n, MAX_TAGS))
    listing = await context.registry.list_tags(endpoint.repository, page)
    headers = {}
    if listing.next:
        following = ListTags(endpoint.repository, listing.next)
        headers["Link"] = next_link(context.url(following))
    names = [tag.name for tag in listing.entries]
    return JSONResponse({"name": endpoint.repository, "tags": names}, headers=headers)
