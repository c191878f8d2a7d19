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
from .catalog import list_visible, page_start
from .context import RequestContext
from .pages import link_headers, open_page

MAX_TAGS = 1000
"""The most tags on one page. Without ``n`` all tags are on one page."""

MAX_REPOSITORIES = 1000
"""The most repositories on one page, also without ``n``."""

# Each may have 7 KiB of annotations.
_REFERRERS_IN_ONE_GO = 32

_JSON = "application/json"

T = TypeVar("T")


async def list_tags(context: RequestContext, endpoint: ListTags) -> Response:
    page = open_page(context, endpoint)
    if page.n is not None:
        page = replace(page, n=min(page.n, MAX_TAGS))
    listing = await context.registry.list_tags(endpoint.repository, page)
    last = listing.next.last if listing.next else None
    headers = link_headers(context, endpoint, listing, last)
    fields = {"name": endpoint.repository}
    body = await encode_list(fields, "tags", listing.entries, attrgetter("name"))
    return Response(body, headers=headers, media_type=_JSON)


async def list_referrers(context: RequestContext, endpoint: ListReferrers) -> Response:
    artifact_type = endpoint.artifact_type
    listing = await context.registry.list_referrers(
        endpoint.repository, endpoint.digest, artifact_type, open_page(context, endpoint)
    )
    headers = link_headers(context, endpoint, listing, None)
    if artifact_type is not None:
        headers["OCI-Filters-Applied"] = "artifactType"
    fields = {"schemaVersion": 2, "mediaType": OCI_INDEX}
    body = await encode_list(
        fields, "manifests", listing.entries, Descriptor.to_json, size=_REFERRERS_IN_ONE_GO
    )
    return Response(body, headers=headers, media_type=OCI_INDEX)


async def list_catalog(context: RequestContext, endpoint: ListCatalog) -> Response:
    page = open_page(context, endpoint)
    n = MAX_REPOSITORIES if page.n is None else min(page.n, MAX_REPOSITORIES)
    permissions = context.caller.permissions
    listing = await list_visible(context.registry, permissions, replace(page, n=n))
    last = listing.entries[-1] if listing.entries else page_start(endpoint.page)
    headers = link_headers(context, endpoint, listing, last)
    return JSONResponse({"repositories": list(listing.entries)}, headers=headers)


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
