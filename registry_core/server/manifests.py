"""Manifests over HTTP. OCI distribution-spec, "Pulling manifests" and "Pushing manifests"."""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import Response

from ..aio import off_loop
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
from ..spec.manifest import MAX_MANIFEST_BYTES, Manifest, parse_manifest
from .conditional import REVALIDATED, UNCHANGING, not_modified
from .context import RequestContext


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
    manifest = await _read(context, endpoint)
    allowed = context.server.repository_classes
    if allowed:
        check_class(manifest.document, endpoint.repository, context.caller, allowed)
    reference = endpoint.reference
    tags = endpoint.tags if isinstance(reference, Digest) else (reference, *endpoint.tags)
    pushed = await context.registry.push_manifest(endpoint.repository, manifest, tags)
    digest = pushed.descriptor.digest
    context.audit.digest = str(digest)
    location = context.url(GetManifest(endpoint.repository, digest))
    headers = {"Location": location, "Docker-Content-Digest": str(digest)}
    if pushed.subject:
        headers["OCI-Subject"] = str(pushed.subject)
    response = Response(status_code=HTTPStatus.CREATED, headers=headers)
    for tag in endpoint.tags:
        response.headers.append("OCI-Tag", tag)
    return response


async def _read(context: RequestContext, endpoint: PushManifest) -> Manifest:
    """Return the manifest in the body.

    :raises ManifestInvalid: it is malformed, or too large (413).
    :raises DigestInvalid: it does not hash to the reference.
    """
    content = await context.read(MAX_MANIFEST_BYTES)
    if content is None:
        raise ManifestInvalid(
            f"the manifest is larger than {MAX_MANIFEST_BYTES} bytes",
            status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )
    content_type = context.header("content-type")
    digest = endpoint.reference if isinstance(endpoint.reference, Digest) else None
    return await off_loop(len(content), parse_manifest, content, content_type, digest)


async def delete_manifest(context: RequestContext, endpoint: DeleteManifest) -> Response:
    if isinstance(endpoint.reference, Digest):
        deleted = await context.registry.delete_manifest(endpoint.repository, endpoint.reference)
        context.audit.tags = deleted.tags
    else:
        digest = await context.registry.delete_tag(endpoint.repository, endpoint.reference)
        context.audit.digest = str(digest or "")
    return Response(status_code=HTTPStatus.ACCEPTED)


def _headers(manifest: Descriptor, reference: Reference) -> dict[str, str]:
    return {
        "Cache-Control": UNCHANGING if isinstance(reference, Digest) else REVALIDATED,
        "Content-Type": manifest.media_type,
        "Docker-Content-Digest": str(manifest.digest),
        "ETag": f'"{manifest.digest}"',
    }
