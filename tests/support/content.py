"""Blobs and manifests to push."""

import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from registry_core.registry import Chunk, PushedManifest, Registry
from registry_core.spec import media_types
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import Reference
from registry_core.spec.manifest import parse_manifest

CONFIG = b'{"architecture":"amd64","os":"linux"}'


def random_bytes(size: int, seed: int = 0) -> bytes:
    """Return reproducible bytes without repetitions."""
    return random.Random(seed).randbytes(size)


async def in_pieces(content: bytes, piece: int = 64 * 2**10) -> AsyncIterator[bytes]:
    """Yield a request body in pieces, as a host does."""
    for start in range(0, len(content), piece):
        yield content[start : start + piece]


def chunk(content: bytes = b"", *, start: int | None = None, length: int | None = None) -> Chunk:
    """Return the body of a request as a chunk of an upload."""
    return Chunk(in_pieces(content), start=start, length=length)


async def push_blob(registry: Registry, repository: str, content: bytes) -> Descriptor:
    """Push a blob by one PUT."""
    upload = await registry.start_upload(repository)
    return await registry.finish_upload(upload, Digest.of(content), chunk(content))


async def push_blob_in_parts(registry: Registry, repository: str, content: bytes) -> None:
    """Push a blob by one PATCH and a PUT without a body."""
    upload = await registry.append_upload(await registry.start_upload(repository), chunk(content))
    await registry.finish_upload(upload, Digest.of(content), chunk())


async def mount_pushed_blob(registry: Registry, repository: str, content: bytes) -> None:
    """Push a blob to another repository, and mount it from there."""
    await push_blob(registry, "source", content)
    await registry.mount_blob(repository, Digest.of(content), "source")


PushBlob = Callable[[Registry, str, bytes], Awaitable[object]]
WAYS_TO_PUSH: Sequence[PushBlob] = (push_blob, push_blob_in_parts, mount_pushed_blob)


def descriptor(content: bytes, media_type: str = media_types.OCTET_STREAM) -> dict[str, object]:
    """Return the descriptor of content, as in a manifest."""
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}


def image_manifest(*layers: bytes, **fields: object) -> bytes:
    """Return an OCI image manifest with `CONFIG`; ``fields`` replace its own, None removes one."""
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "config": descriptor(CONFIG, media_types.OCI_CONFIG),
        "layers": [descriptor(layer, f"{LAYER}.tar") for layer in layers],
    } | fields
    return json.dumps({k: v for k, v in document.items() if v is not None}).encode()


def image_index(*manifests: bytes, **fields: object) -> bytes:
    """Return an OCI image index of image manifests."""
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_INDEX,
        "manifests": [descriptor(manifest, media_types.OCI_MANIFEST) for manifest in manifests],
    } | fields
    return json.dumps({k: v for k, v in document.items() if v is not None}).encode()


async def push_image(
    registry: Registry, repository: str, reference: str | Digest, layers: Sequence[bytes]
) -> Descriptor:
    """Push an image, its blobs first."""
    for content in (CONFIG, *layers):
        await push_blob(registry, repository, content)
    manifest = image_manifest(*layers)
    pushed = await push_manifest(registry, repository, reference, manifest)
    return pushed.descriptor


async def push_manifest(
    registry: Registry,
    repository: str,
    reference: Reference,
    content: bytes,
    content_type: str | None = None,
    *,
    tags: Sequence[str] = (),
) -> PushedManifest:
    """Push a manifest as the HTTP server does: parsed, and checked against the reference."""
    if isinstance(reference, Digest):
        manifest = parse_manifest(content, content_type, reference)
        return await registry.push_manifest(repository, manifest, tags)
    manifest = parse_manifest(content, content_type)
    return await registry.push_manifest(repository, manifest, (reference, *tags))


async def read_blob(registry: Registry, repository: str, digest: Digest) -> bytes:
    """Return all of a blob's content."""
    blob = await registry.open_blob(repository, digest)
    body = await blob.read(0, blob.descriptor.size)
    return b"".join([piece async for piece in body])


LAYER = "application/vnd.oci.image.layer.v1"
