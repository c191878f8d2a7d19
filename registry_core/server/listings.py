"""Listings over HTTP: tags, referrers and the catalog, page by page.

Sources: OCI distribution-spec, "Listing tags" and "Listing Referrers"; Docker HTTP API V2, "Listing
Repositories".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import TypeVar

from starlette.responses import JSONResponse, Response

from ..aio import in_slices
from ..spec.descriptor import Descriptor
from ..spec.endpoints import ListCatalog, ListReferrers, ListTags
from ..spec.media_types import OCI_INDEX
from ..spec.ranges import next_link
from .context import RequestContext

MAX_TAGS = 1000
"""The most tags on one page. Without ``n`` all tags are on one page."""

MAX_REPOSITORIES = 1000
"""The most repositories on one page, also without ``n``."""

# Each may have 7 KiB of annotations.
_REFERRERS_IN_ONE_GO = 32
# Rules of 64 KiB may compare each with a thousand globs.
_SEEN_IN_ONE_GO = 20

_JSON = "application/json"

T = TypeVar("T")


async def list_tags(context: RequestContext, endpoint: ListTags) -> Response:
    page = endpoint.page
    if page.n is not None:
        page = replace(page, n=min(page.n, MAX_TAGS))
    listing = await context.registry.list_tags(endpoint.repository, page)
    headers = {}
    if listing.next is not None:
        headers["Link"] = next_link(context.url(replace(endpoint, page=listing.next)))
    fields = {"name": endpoint.repository}
    body = await encode_list(fields, "tags", listing.entries, attrgetter("name"))
    return Response(body, headers=headers, media_type=_JSON)


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
    fields = {"schemaVersion": 2, "mediaType": OCI_INDEX}
    body = await encode_list(
        fields, "manifests", listing.entries, Descriptor.to_json, size=_REFERRERS_IN_ONE_GO
    )
    return Response(body, headers=headers, media_type=OCI_INDEX)


async def list_catalog(context: RequestContext, endpoint: ListCatalog) -> Response:
    page = endpoint.page
    n = MAX_REPOSITORIES if page.n is None else min(page.n, MAX_REPOSITORIES)
    listing = await context.registry.list_repositories(replace(page, n=n))
    headers = {}
    if listing.next is not None:
        headers["Link"] = next_link(context.url(ListCatalog(listing.next)))
    sees = context.caller.permissions.sees
    names = [
        name
        async for some in in_slices(listing.entries, _SEEN_IN_ONE_GO)
        for name in some
        if sees(name)
    ]
    return JSONResponse({"repositories": names}, headers=headers)


async def encode_list(
    fields: Mapping[str, object],
    name: str,
    values: Sequence[T],
    to_json: Callable[[T], object],
    *,
    size: int = 500,
) -> bytes:
    """Return a JSON object whose last field is a list, encoded in slices of ``size`` values.

    Other tasks run between two of them. The result is that of `JSONResponse`.

    :param fields: the fields before, at least one.
    """
    parts = [
        _encode([to_json(value) for value in some])[1:-1] async for some in in_slices(values, size)
    ]
    return b"%b,%b:[%b]}" % (_encode(fields)[:-1], _encode(name), b",".join(parts))


def _encode(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
