"""What a repair writes and deletes: each on the condition that nobody was there first."""

from __future__ import annotations

from contextlib import suppress

from ...object_store.interface import ConditionFailed, NotFound, if_match
from ...spec.digest import Digest
from ...spec.errors import ManifestInvalid
from ...spec.manifest import detect_media_type
from ...spec.media_types import OCTET_STREAM
from ...storage.layout_parse import Kind
from ...storage.links import Link
from .case import Case
from .replacing import Replacement, create, remove, replace_links

MOST_MANIFEST_BYTES = 4 * 2**20


async def describe(case: Case, kind: Kind, digest: Digest) -> Link:
    """A link of this kind to what has the digest, with all that such links tell."""
    size = await case.size_of(digest)
    if kind is Kind.LAYER_LINK and size is not None:
        return Link(digest, OCTET_STREAM, size)
    if kind in (Kind.REVISION_LINK, Kind.TAG_LINK) and (size or 0) <= MOST_MANIFEST_BYTES:
        with suppress(NotFound, ManifestInvalid):
            content = (await case.store.get(case.layout.content(digest))).content
            return Link(digest, detect_media_type(content), len(content))
    return Link(digest)


async def link(case: Case, kind: Kind, path: str, digest: Digest) -> str:
    """A link that is missing."""
    etag = await create(case.store, path, await describe(case, kind, digest))
    return "linked" if etag else ""


async def rewrite(
    case: Case, kind: Kind, path: str, digest: Digest, *, etag: str, is_append: bool
) -> str:
    """A link in place of the one with ``etag``."""
    told = await describe(case, kind, digest)
    if is_append:
        done = await replace_links(case.store, case.layout, [Replacement(path, etag, told)])
        return f"written anew as {digest}" if all(done) else ""
    try:
        await case.store.put(path, told.content, metadata=told.metadata, condition=if_match(etag))
    except (NotFound, ConditionFailed):
        return ""
    return f"written anew as {digest}"


async def restore_tag(case: Case, repository: str, tag: str, digest: Digest) -> str:
    """A tag's current link from its index, unless the tag is deleted at the same time."""
    path = case.layout.tag_link(repository, tag)
    told = await describe(case, Kind.TAG_LINK, digest)
    etag = await create(case.store, path, told)
    if etag is None:
        return ""
    # Deletion takes the index first.
    if not await case.is_there(case.layout.tag_index_link(repository, tag, digest)):
        await remove(case.store, path, etag)
        return ""
    return f"current link written: {digest}"
