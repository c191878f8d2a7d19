"""Everything a repair writes and deletes, each on the condition that nothing has changed since.

Storage does not put a block blob over an append blob: a link that is one has to be deleted before
it is written, and a crash in between would lose a link that nothing else may reference. So a record
of a few links is written before they are touched, and deleted when all of them are back; the next
repair that finds a record writes the links that are missing. Only one repair may run at a time:
another's record would be taken for one left by a crash.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from ...aio import for_each, off_loop, together
from ...object_store.errors import ConditionFailed, NotFound, TooLarge, WrongKind
from ...object_store.interface import (
    IF_ABSENT,
    ObjectStore,
    Properties,
    delete_if,
    exists,
    if_match,
)
from ...spec.descriptor import Descriptor
from ...spec.digest import Digest
from ...spec.errors import ManifestInvalid
from ...spec.image_config import MAX_BYTES, ImageConfig, parse_image_config
from ...spec.manifest import MAX_MANIFEST_BYTES, Manifest, detect_media_type, parse_manifest
from ...spec.media_types import IMAGE_CONFIGS, OCTET_STREAM
from ...spec.named_digests import named_digests
from ...spec.referrers import describe_referrer
from ...storage.catalog import Catalog
from ...storage.condemnation import observe
from ...storage.layout import Layout
from ...storage.layout_parse import Kind, parse_path
from ...storage.link_metadata import referrer_link, revision_link, tag_link
from ...storage.links import Link
from .context import CONCURRENCY, CheckContext

REPLACEMENT_BATCH = 16
"""How many links one record names."""

# Each link has up to 8 KiB of metadata and two paths of 1 KiB; JSON escapes some of it.
_MAX_RECORD_BYTES = 2**20


async def describe_link(
    context: CheckContext, kind: Kind, digest: Digest, *, pushed: datetime | None = None
) -> Link:
    """Return a link to a digest, with the metadata that a push writes, as far as they are known.

    No call for a layer link whose content was listed; one for others, and one more for the config
    of a revision link's manifest. ``pushed`` is by default the time of the content.
    """
    size = await context.content_size(digest)
    if kind is Kind.LAYER_LINK:
        return Link(digest) if size is None else Link(digest, OCTET_STREAM, size)
    if size is None:
        return Link(digest)
    with suppress(NotFound, TooLarge, ManifestInvalid):
        path = context.layout.content(digest)
        found = await context.store.get(path, limit=MAX_MANIFEST_BYTES)
        pushed_at = int((pushed or found.properties.last_modified).timestamp())
        return await _describe_manifest(context, kind, digest, found.content, pushed_at)
    return Link(digest)


async def _describe_manifest(
    context: CheckContext, kind: Kind, digest: Digest, content: bytes, pushed: int
) -> Link:
    """Return a link to a manifest. :raises ManifestInvalid: ``content`` is not a manifest."""
    if kind in (Kind.TAG_LINK, Kind.INDEX_LINK):
        media_type = await off_loop(len(content), detect_media_type, content)
        return tag_link(Descriptor(media_type, digest, len(content)), pushed)
    manifest = await off_loop(len(content), parse_manifest, content, digest=digest)
    if kind is Kind.REFERRER:
        return referrer_link(describe_referrer(manifest))
    image = await _read_image(context, manifest)
    return revision_link(manifest, image, pushed=pushed, pushed_by="")


async def _read_image(context: CheckContext, manifest: Manifest) -> ImageConfig | None:
    config = manifest.document.config
    if config is None or config.media_type not in IMAGE_CONFIGS:
        return None
    try:
        path = context.layout.content(config.digest)
        return parse_image_config((await context.store.get(path, limit=MAX_BYTES)).content)
    except (NotFound, TooLarge):
        return None


async def observe_content(context: CheckContext, digest: Digest) -> bool:
    """Observe the content that a link is about to lead to: return whether it is there. One call."""
    try:
        await observe(context.store, context.layout.content(digest))
    except NotFound:
        return False
    return True


async def restore_link(context: CheckContext, kind: Kind, path: str, digest: Digest) -> str:
    """Write a link that is missing. That of a manifest observes all that the manifest names."""
    if kind is not Kind.REFERRER and not await observe_content(context, digest):
        return ""
    if kind is Kind.REVISION_LINK:
        await _observe_named(context, parse_path(path).repository, digest)
    etag = await _create(context.store, path, await describe_link(context, kind, digest))
    return "linked" if etag else ""


async def _observe_named(context: CheckContext, repository: str, digest: Digest) -> None:
    """Observe the links to what a manifest names, as far as they are there. Two calls for each.

    No manifest of the repository named it, so a collection may be about to delete them.
    """
    store, layout = context.store, context.layout
    with suppress(NotFound, TooLarge, ManifestInvalid):
        content = (await store.get(layout.content(digest), limit=MAX_MANIFEST_BYTES)).content
        named = await off_loop(len(content), named_digests, content)
        links = [
            link(repository, each)
            for each in named
            for link in (layout.blob_link, layout.revision_link)
        ]
        await for_each(links, lambda path: _observe_link(store, path), limit=CONCURRENCY)


async def _observe_link(store: ObjectStore, path: str) -> None:
    with suppress(NotFound):
        await observe(store, path)


async def remove_blob_link(
    context: CheckContext, repository: str, path: str, digest: Digest, *, seen: Properties
) -> str:
    """Delete the link of a blob whose content is missing. Five calls.

    A push that has brought back the content, or written the link again, is not undone.
    """
    if await context.look_at_content(digest) is not None:
        return ""
    if not await delete_if(context.store, path, if_match(seen.etag)):
        return ""
    # So that no push relies on the link because it has found it before.
    await Catalog(context.store, context.layout).begin_generation(repository)
    # Another repository's push may have brought the content back, and a client found the blob here.
    if await context.look_at_content(digest) is not None:
        await restore_link(context, Kind.LAYER_LINK, path, digest)
        return ""
    return "link deleted"


async def remove_revision_link(
    context: CheckContext, repository: str, path: str, *, seen: Properties
) -> str:
    """Delete a revision link that leads to no manifest. Four calls, as a rule."""
    if not await delete_if(context.store, path, if_match(seen.etag)):
        return ""
    await Catalog(context.store, context.layout).update(repository)
    return "link deleted"


async def rewrite_link(
    context: CheckContext, kind: Kind, path: str, digest: Digest, *, seen: Properties
) -> str:
    """Write a link over the one with the properties ``seen``."""
    store = context.store
    await observe_content(context, digest)
    link = await describe_link(context, kind, digest, pushed=seen.last_modified)
    if seen.is_append:
        done = await replace_links(store, context.layout, [Replacement(path, seen.etag, link)])
        return f"rewritten as {digest}" if all(done) else ""
    try:
        await store.put(path, link.content, metadata=link.metadata, condition=if_match(seen.etag))
    except (NotFound, ConditionFailed):
        return ""
    return f"rewritten as {digest}"


async def restore_tag(context: CheckContext, repository: str, tag: str, digest: Digest) -> str:
    """Write a tag's current link from its index, unless the tag is being deleted."""
    path = context.layout.tag_link(repository, tag)
    with suppress(NotFound):
        await observe(context.store, context.layout.revision_link(repository, digest))
    link = await describe_link(context, Kind.TAG_LINK, digest)
    etag = await _create(context.store, path, link)
    if etag is None:
        return ""
    # Deleting a tag removes its index first.
    if not await context.exists(context.layout.tag_index_link(repository, tag, digest)):
        await delete_if(context.store, path, if_match(etag))
        return ""
    return f"current link written: {digest}"


@dataclass(frozen=True)
class Replacement:
    """The link to write at ``path`` in place of the append blob with ``etag``.

    ``stand_in`` is the path of a link to the same digest that readers use while this one is
    missing, and that a deletion of this one removes first.
    """

    path: str
    etag: str
    link: Link
    stand_in: str = ""

    def to_json(self) -> dict[str, object]:
        """Return what a record says of this link."""
        return {
            "path": self.path,
            "digest": str(self.link.digest),
            "mediaType": self.link.media_type,
            "size": self.link.size,
            "extra": dict(self.link.extra),
        }


async def replace_links(
    store: ObjectStore, layout: Layout, replacements: Sequence[Replacement]
) -> list[bool]:
    """Replace append blobs by block blobs. Returns for each whether it was replaced.

    A link that has changed since it was listed is left alone. At most `REPLACEMENT_BATCH` links.
    Two calls for all, three for each, and two more for each with a stand-in.
    """
    record = layout.replacing(secrets.token_hex(8))
    lines = [replacement.to_json() for replacement in replacements]
    await store.put(record, json.dumps(lines).encode(), condition=IF_ABSENT)
    done = await together(_replace(store, replacement) for replacement in replacements)
    await store.delete(record)
    return done


async def complete_replacements(store: ObjectStore, record: str) -> str:
    """Write the links that an interrupted repair had deleted, and delete its record."""
    try:
        links = _parse_record((await store.get(record, limit=_MAX_RECORD_BYTES)).content)
        etags = await together([_restore(store, path, link) for path, link in links])
        await store.delete(record)
    except (NotFound, TooLarge, ValueError):  # completed meanwhile, or not written by a repair
        return ""
    return f"completed: {sum(etag is not None for etag in etags)} links restored"


async def _restore(store: ObjectStore, path: str, link: Link) -> str | None:
    """Write a link whose content is there, unless it is there, too. Return its ETag, or None."""
    try:
        await observe(store, Layout(parse_path(path).root).content(link.digest))
    except NotFound:
        return None
    return await _create(store, path, link)


async def _replace(store: ObjectStore, replacement: Replacement) -> bool:
    path, stand_in = replacement.path, replacement.stand_in
    stand_in_etag = None
    if stand_in:
        stand_in_etag = await _create(store, stand_in, replacement.link)
    if not await _is_unchanged(store, replacement):
        if stand_in_etag:
            await delete_if(store, stand_in, if_match(stand_in_etag))
        return False
    # It existed a moment ago. If it is gone now, our own deletion took place and its answer was
    # lost.
    await delete_if(store, path, if_match(replacement.etag))
    etag = await _create(store, path, replacement.link)
    if etag is None:
        return False
    if stand_in and not await exists(store, stand_in):
        await delete_if(store, path, if_match(etag))
        return False
    return True


async def _is_unchanged(store: ObjectStore, replacement: Replacement) -> bool:
    with suppress(NotFound):
        return (await store.head(replacement.path)).etag == replacement.etag
    return False


async def _create(store: ObjectStore, path: str, link: Link) -> str | None:
    """Write a link unless an object exists there. Return its ETag, or None. One call."""
    try:
        return await store.put(path, link.content, metadata=link.metadata, condition=IF_ABSENT)
    except (ConditionFailed, WrongKind):
        return None


def _parse_record(content: bytes) -> Iterable[tuple[str, Link]]:
    """Parse a record: paths and the links to write there.

    :raises ValueError: ``content`` was not written by `replace_links`.
    """
    try:
        return [
            (
                line["path"],
                Link(
                    Digest.parse(line["digest"]),
                    line["mediaType"],
                    line["size"],
                    line.get("extra", {}),
                ),
            )
            for line in json.loads(content)
        ]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("not a record of replaced links") from error
