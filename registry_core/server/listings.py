"""Listings over HTTP: tags, referrers and the catalog, page by page.

Sources: OCI distribution-spec, "Listing tags" and "Listing Referrers"; Docker HTTP API V2, "Listing
Repositories".
"""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import JSONResponse, Response

from ..spec.endpoints import ListCatalog, ListReferrers, ListTags
from ..spec.media_types import OCI_INDEX
from ..spec.ranges import next_link
from .context import RequestContext

MAX_TAGS = 1000
"""The most tags on one page. Without ``n`` all tags are on one page."""

MAX_REPOSITORIES = 1000
"""The most repositories on one page, also without ``n``."""


async def list_tags(context: RequestContext, endpoint: ListTags) -> Response:
    page = endpoint.page
    if page.n is not None:
        page = replace(page, n=min(page.n, MAX_TAGS))
    listing = await context.registry.list_tags(endpoint.repository, page)
    headers = {}
    if listing.next is not None:
        headers["Link"] = next_link(context.url(replace(endpoint, page=listing.next)))
    names = [tag.name for tag in listing.entries]
    return JSONResponse({"name": endpoint.repository, "tags": names}, headers=headers)


async def list_referrers(context: RequestContext, endpoint: ListReferrers) -> Response:
    artifact_type = endpoint.artifact_type
    listing = await context.registry.list_referrers(
        endpoint.repository, endpoint.digest, artifact_type, endpoint.page
    )
    headers = {}
    if artifact_type is not None:
        headers["OCI-Filters-Applied"] = "artifactType"
    if listing.next is not None:
        headers["Link"] = next_link(context.url(replace(endpoint, page=listing.next)))
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [referrer.to_json() for referrer in listing.entries],
    }
    return JSONResponse(index, headers=headers, media_type=OCI_INDEX)


async def list_catalog(context: RequestContext, endpoint: ListCatalog) -> Response:
    page = endpoint.page
    n = MAX_REPOSITORIES if page.n is None else min(page.n, MAX_REPOSITORIES)
    listing = await context.registry.list_repositories(replace(page, n=n))
    headers = {}
    if listing.next is not None:
        headers["Link"] = next_link(context.url(ListCatalog(listing.next)))
    sees = context.caller.permissions.sees
    names = [name for name in listing.entries if sees(name)]
    return JSONResponse({"repositories": names}, headers=headers)
