"""Manifests over HTTP. OCI distribution-spec, "Pulling manifests" and "Pushing manifests"."""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import Response

from ..auth.repository_classes import check_class
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.endpoints import (
    DeleteManifest,
    GetManifest,
    HeadManifest,
    PushManifest,
    Reference,
)
from ..spec.errors import ManifestInvalid
from ..spec.manifest import parse_manifest
from .conditional import REVALIDATED, UNCHANGING, not_modified
from .context import RequestContext

# "registries SHOULD ... support manifests of at least 4 mebibytes"
MANIFEST_LIMIT = 4 * 2**20


async def head_manifest(context: RequestContext, endpoint: HeadManifest) -> Response:
    manifest = await context.registry.resolve_manifest(endpoint.repository, endpoint.reference)
    headers = _headers(manifest, endpoint.reference)
    known = not_modified(context.request, manifest.digest, headers)
    return known or Response(headers=headers | {"Content-Length": str(manifest.size)})


async def get_manifest(context: RequestContext, endpoint: GetManifest) -> Response:
    manifest = await context.registry.get_manifest(endpoint.repository, endpoint.reference)
    headers = _headers(manifest.descriptor, endpoint.reference)
    known = not_modified(context.request, manifest.descriptor.digest, headers)
    return known or Response(manifest.content, headers=headers)


async def push_manifest(context: RequestContext, endpoint: PushManifest) -> Response:
    content = await context.read(MANIFEST_LIMIT)
    if content is None:
        raise ManifestInvalid(
            f"the manifest is larger than {MANIFEST_LIMIT} bytes",
            status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )
    classes = context.server.repository_classes
    if classes:
        manifest = parse_manifest(content, context.header("content-type"))
        check_class(
            manifest, endpoint.repository, context.caller, context.server.repository_classes
        )
    pushed = await context.registry.push_manifest(
        endpoint.repository,
        endpoint.reference,
        content,
        context.header("content-type"),
        endpoint.tags,
    )
    digest = pushed.descriptor.digest
    location = context.url(GetManifest(endpoint.repository, digest))
    headers = {"Location": location, "Docker-Content-Digest": str(digest)}
    if pushed.subject:
        headers["OCI-Subject"] = str(pushed.subject)
    response = Response(status_code=HTTPStatus.CREATED, headers=headers)
    for tag in endpoint.tags:
        response.headers.append("OCI-Tag", tag)
    return response


async def delete_manifest(context: RequestContext, endpoint: DeleteManifest) -> Response:
    if isinstance(endpoint.reference, Digest):
        await context.registry.delete_manifest(endpoint.repository, endpoint.reference)
    else:
        await context.registry.delete_tag(endpoint.repository, endpoint.reference)
    return Response(status_code=HTTPStatus.ACCEPTED)


def _headers(manifest: Descriptor, reference: Reference) -> dict[str, str]:
    return {
        "Cache-Control": UNCHANGING if isinstance(reference, Digest) else REVALIDATED,
        "Content-Type": manifest.media_type,
        "Docker-Content-Digest": str(manifest.digest),
        "ETag": f'"{manifest.digest}"',
    }
