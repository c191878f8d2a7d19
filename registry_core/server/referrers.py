"""Referrers over HTTP. OCI distribution-spec, "Listing Referrers"."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from ..spec.endpoints import ListReferrers
from ..spec.media_types import OCI_INDEX
from ..spec.ranges import next_link
from .context import RequestContext


async def list_referrers(context: RequestContext, endpoint: ListReferrers) -> Response:
    repository, subject, wanted = endpoint.repository, endpoint.digest, endpoint.artifact_type
    listing = await context.registry.list_referrers(repository, subject, wanted, endpoint.page)
    headers = {}
    if wanted is not None:
        headers["OCI-Filters-Applied"] = "artifactType"
    if listing.next is not None:
        following = ListReferrers(repository, subject, wanted, listing.next)
        headers["Link"] = next_link(context.url(following))
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [referrer.to_json() for referrer in listing.entries],
    }
    return JSONResponse(index, headers=headers, media_type=OCI_INDEX)
