"""Manifests over HTTP. OCI distribution-spec, "Pulling manifests" and "Pushing manifests"."""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import Response

from ..aio import off_loop
from ..auth.repository_classes import check_class
from ..registry import PushedManifest
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.endpoints import (
    DeleteManifest,
    GetManifest,
    HeadManifest,
    PushManifest,
    Reference,
)
from ..spec.errors import ManifestInvalid, ManifestUnknown
from ..spec.manifest import MAX_MANIFEST_BYTES, Manifest, parse_manifest
from .conditional import REVALIDATED, UNCHANGING, not_modified, precondition_of
from .context import RequestContext


async def head_manifest(context: RequestContext, endpoint: HeadManifest) -> Response:
    manifest = await context.registry.resolve_manifest(endpoint.repository, endpoint.reference)
    headers = _headers(manifest, endpoint.reference)
    known = not_modified(context, manifest.digest, headers)
    return known or Response(headers=headers | {"Content-Length": str(manifest.size)})


async def get_manifest(context: RequestContext, endpoint: GetManifest) -> Response:
    manifest = await context.registry.get_manifest(endpoint.repository, endpoint.reference)
    headers = _headers(manifest.descriptor, endpoint.reference)
    known = not_modified(context, manifest.descriptor.digest, headers)
    return known or Response(manifest.content, headers=headers)


async def push_manifest(context: RequestContext, endpoint: PushManifest) -> Response:
    manifest = await _read(context, endpoint)
    allowed = context.server.repository_classes
    if allowed:
        check_class(manifest.document, endpoint.repository, context.caller, allowed)
    pushed = await _push(context, endpoint, manifest)
    digest = pushed.descriptor.digest
    context.audit.digest = str(digest)
    location = context.url(GetManifest(endpoint.repository, digest))
    headers = {"Location": location, "Docker-Content-Digest": str(digest)}
    if pushed.subject:
        headers["OCI-Subject"] = str(pushed.subject)
    if endpoint.tags:
        # One line with a list: clients such as Python's http.client refuse more than 100 lines.
        headers["OCI-Tag"] = ", ".join(endpoint.tags)
    return Response(status_code=HTTPStatus.CREATED, headers=headers)


async def _push(
    context: RequestContext, endpoint: PushManifest, manifest: Manifest
) -> PushedManifest:
    """Push a manifest, unless the request has a precondition on its reference that does not hold.

    A manifest never changes under its digest: it is looked up once (one call, only with a
    precondition). A tag may be moved at the same time, so that the registry checks it itself.

    :raises PreconditionFailed:
    """
    repository, reference = endpoint.repository, endpoint.reference
    precondition = precondition_of(context)
    push = context.registry.push_manifest
    if not isinstance(reference, Digest):
        return await push(repository, manifest, (reference, *endpoint.tags), precondition)
    if precondition is not None:
        precondition.check(await _find(context, repository, reference))
    return await push(repository, manifest, endpoint.tags)


async def _find(context: RequestContext, repository: str, digest: Digest) -> Digest | None:
    """Return the digest of a manifest; None if the repository does not have it."""
    try:
        return (await context.registry.resolve_manifest(repository, digest)).digest
    except ManifestUnknown:
        return None


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
    repository, reference = endpoint.repository, endpoint.reference
    precondition = precondition_of(context)
    if not isinstance(reference, Digest):
        digest = await context.registry.delete_tag(repository, reference, precondition)
        context.audit.digest = str(digest or "")
    else:
        if precondition is not None:
            found = await context.registry.resolve_manifest(repository, reference)
            precondition.check(found.digest)
        deleted = await context.registry.delete_manifest(repository, reference)
        context.audit.tags = deleted.tags
    return Response(status_code=HTTPStatus.ACCEPTED)


def _headers(manifest: Descriptor, reference: Reference) -> dict[str, str]:
    return {
        "Cache-Control": UNCHANGING if isinstance(reference, Digest) else REVALIDATED,
        "Content-Type": manifest.media_type,
        "Docker-Content-Digest": str(manifest.digest),
        "ETag": f'"{manifest.digest}"',
    }
