"""The catalog over HTTP. Docker HTTP API V2, "Listing Repositories"."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import JSONResponse, Response

from ..spec.endpoints import ListCatalog
from ..spec.ranges import next_link
from .context import RequestContext

MAX_REPOSITORIES = 1000
"""On one page, also when the client does not say how many it wants."""


async def list_catalog(context: RequestContext, endpoint: ListCatalog) -> Response:
    page = endpoint.page
    n = MAX_REPOSITORIES if page.n is None else min(page.n, MAX_REPOSITORIES)
    listing = await context.registry.list_repositories(replace(page, n=n))
    headers = {}
    if listing.next:
        following = ListCatalog(listing.next)
        headers["Link"] = next_link(context.url(following))
    sees = context.caller.permissions.sees
    names = [name for name in listing.entries if sees(name)]
    return JSONResponse({"repositories": names}, headers=headers)
