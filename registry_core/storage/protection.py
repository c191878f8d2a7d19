"""Protection of the content of immutable tags: what such a tag needs cannot be deleted.

A deletion notes in a link that it is about to delete it, and then looks whether an immutable tag
needs it. A push sets its tag, and then takes such notes off, so that the deletion fails.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from http import HTTPStatus

from ..aio import for_each, off_loop
from ..object_store.errors import NotFound
from ..object_store.interface import ObjectStore
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.errors import Denied, ManifestInvalid
from ..spec.manifest import Manifest, ManifestDocument, parse_manifest
from .content import Content
from .links import keep_link

# How many manifests are in memory at the same time.
_READ_AT_ONCE = 8
# How many links are looked at at the same time.
_AT_ONCE = 32


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

    async def read(manifest: Digest) -> ManifestDocument | None:
        return await _read(content, manifest)

    while level:
        seen |= set(level)
        found = list(filter(None, await for_each(level, read, limit=_READ_AT_ONCE)))
        if any(digest in _digests(each.blobs) | _digests(each.manifests) for each in found):
            raise Denied(
                f"an immutable tag of {repository} needs {digest}: it cannot be deleted",
                status=HTTPStatus.CONFLICT,
            )
        level = set[Digest]().union(*(_digests(each.manifests) for each in found)) - seen


async def _read(content: Content, digest: Digest) -> ManifestDocument | None:
    """Return what a manifest says; None if it cannot be read."""
    try:
        found = await content.read_manifest(digest)
        return (await off_loop(len(found), parse_manifest, found, digest=digest)).document
    except (NotFound, ManifestInvalid):
        return None


def _digests(descriptors: Iterable[Descriptor]) -> set[Digest]:
    return {descriptor.digest for descriptor in descriptors}


async def keep_needed(content: Content, repository: str, manifest: Manifest) -> set[Digest]:
    """Keep what a manifest needs, to which an immutable tag points by now, from deletions.

    One call for each of its blobs, two for each manifest that it lists, and the same for what those
    reference; one more for each manifest that is not cached and each link that is about to be
    deleted. Return what is gone.
    """
    document = manifest.document
    blobs, children = _digests(document.required_blobs), _digests(document.manifests)
    level = set(children)

    async def read(digest: Digest) -> ManifestDocument | None:
        return await _read(content, digest)

    while level:
        found = list(filter(None, await for_each(sorted(level), read, limit=_READ_AT_ONCE)))
        blobs = blobs.union(*(_digests(each.required_blobs) for each in found))
        level = set[Digest]().union(*(_digests(each.manifests) for each in found)) - children
        children |= level

    async def is_gone(digest: Digest) -> bool:
        paths = [content.layout.blob_link(repository, digest)]
        if digest in children:  # BuildKit's caches list blobs there
            paths.append(content.layout.revision_link(repository, digest))
        return not any([await _keep(content.store, path) for path in paths])

    needed = sorted(blobs | children)
    gone = await for_each(needed, is_gone, limit=_AT_ONCE)
    return {digest for digest, is_it in zip(needed, gone, strict=True) if is_it}


async def _keep(store: ObjectStore, path: str) -> bool:
    try:
        await keep_link(store, path)
    except NotFound:
        return False
    return True
