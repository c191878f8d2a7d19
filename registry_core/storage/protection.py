"""Protection of the content of immutable tags: what such a tag needs cannot be deleted."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from http import HTTPStatus

from ..aio import for_each, off_loop
from ..object_store.errors import NotFound
from ..spec.digest import Digest
from ..spec.errors import Denied, ManifestInvalid
from ..spec.manifest import parse_manifest
from .content import Content

# How many manifests are in memory at the same time.
_READ_AT_ONCE = 8


async def check_not_needed(
    content: Content, repository: str, digest: Digest, tagged: Iterable[Digest]
) -> None:
    """Check that none of the manifests, to which immutable tags point, needs ``digest``.

    They need what they reference, and what the manifests that an index lists reference. One call
    for each manifest that is not cached. One that cannot be read needs nothing.

    :raises Denied: one does.
    """
    seen: set[Digest] = set()
    level: Collection[Digest] = set(tagged)

    async def read(manifest: Digest) -> tuple[frozenset[Digest], frozenset[Digest]]:
        return await _references(content, manifest)

    while level:
        seen |= set(level)
        found = await for_each(level, read, limit=_READ_AT_ONCE)
        if any(digest in blobs or digest in children for blobs, children in found):
            raise Denied(
                f"an immutable tag of {repository} needs {digest}: it cannot be deleted",
                status=HTTPStatus.CONFLICT,
            )
        level = {child for _, children in found for child in children} - seen


async def _references(
    content: Content, digest: Digest
) -> tuple[frozenset[Digest], frozenset[Digest]]:
    """Return the blobs that a manifest references, and the manifests that it lists."""
    try:
        found = await content.read_manifest(digest)
        manifest = await off_loop(len(found), parse_manifest, found, digest=digest)
    except (NotFound, ManifestInvalid):
        return frozenset(), frozenset()
    document = manifest.document
    return (
        frozenset(each.digest for each in document.blobs),
        frozenset(each.digest for each in document.manifests),
    )
