"""Tags over HTTP. OCI distribution-spec, "Listing tags"."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from ..spec.endpoints import ListTags
from ..spec.ranges import next_link
from .call import Call

MAX_TAGS = 1000


async def list_tags(call: Call, endpoint: ListTags) -> Response:
    limit = None if endpoint.n is None else min(endpoint.n, MAX_TAGS)
    page = await call.registry.list_tags(endpoint.repository, limit=limit, last=endpoint.last)
    headers = {}
    if page.more and page.tags:
        following = ListTags(endpoint.repository, limit, page.tags[-1])
        headers["Link"] = next_link(call.service.urls.of(following, call.request))
    return JSONResponse({"name": endpoint.repository, "tags": page.tags}, headers=headers)
