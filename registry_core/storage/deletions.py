"""What is taken out of a repository. Content stays: other repositories may have it.

The order is that of a push turned round: first the tags that point to a manifest, on condition that
they still do, then its entry among the referrers, then the revision link. Of a tag the index goes
first: without a current link, it would still tell what the tag points to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from ..aio import together
from ..object_store.interface import (
    UNCONDITIONAL,
    Condition,
    ConditionFailed,
    Entry,
    NotFound,
    if_match,
    list_all,
)
from ..spec.digest import Digest
from ..spec.errors import BlobUnknown, ManifestInvalid, ManifestUnknown
from ..spec.manifest import Manifest
from .membership import Shelf
from .parsing import parse
from .referrers import Referrers
from .small_objects import Link, read_link
from .tag_links import TagLinks, by_age

_AT_ONCE = 16


@dataclass
class _Tag:
    """What a listing tells of one tag: its current link, if it has one, and its index."""

    current: Entry | None = None
    index: list[Entry] = field(default_factory=list)


@dataclass
class Deletions:
    """`Deleter` over the object store."""

    shelf: Shelf
    tags: TagLinks
    referrers: Referrers

    async def delete_blob(self, repository: str, digest: Digest) -> None:
        try:
            await self.shelf.store.delete(self.shelf.layout.blob_link(repository, digest))
        except NotFound:
            raise BlobUnknown(f"blob unknown to {repository}: {digest}") from None
        finally:
            self.shelf.blobs.forget((repository, digest))

    async def delete_tag(self, repository: str, tag: str) -> None:
        unknown = ManifestUnknown(f"manifest unknown to {repository}: {tag}")
        if self.tags.write_once.match(repository, tag):
            with suppress(NotFound):
                await self.tags.read(repository, tag)
                self.tags.refuse_deletion(repository, [tag])
            raise unknown
        index = self.shelf.layout.tag_index(repository, tag)
        had_index = await self._delete_below(index)
        if not await self._delete(self.shelf.layout.tag_link(repository, tag)) and not had_index:
            raise unknown
        await self._delete_below(index)  # what a push at the same time has left there

    async def delete_manifest(self, repository: str, digest: Digest) -> None:
        self.shelf.manifests.forget((repository, digest))
        try:
            path = self.shelf.layout.revision_link(repository, digest)
            found = await self.shelf.store.head(path)
            await self._delete_manifest(repository, digest, if_match(found.etag))
        except NotFound:
            await self.shelf.mark_deletion(repository)  # where a deletion was cut off before it
            raise ManifestUnknown(f"manifest unknown to {repository}: {digest}") from None
        finally:
            self.shelf.manifests.forget((repository, digest))

    async def _delete_manifest(self, repository: str, digest: Digest, unchanged: Condition) -> None:
        """``unchanged``: the revision link is not pushed again meanwhile. Then it stays."""
        tags = await self._tags_to(repository, digest)
        self.tags.refuse_deletion(repository, tags)
        await together(self._untag(repository, name, tag) for name, tag in tags.items())
        link, manifest = await self._read(digest)
        await self._unrefer(repository, digest, manifest)
        await self._delete(self.shelf.layout.revision_link(repository, digest), unchanged)
        await self.shelf.mark_deletion(repository)
        await self._restore_if_pushed(repository, link, manifest)

    async def _tags_to(self, repository: str, digest: Digest) -> dict[str, _Tag]:
        """The tags that point to the manifest, or would if they had no current link."""
        tags: dict[str, _Tag] = {}
        prefix = self.shelf.layout.tags(repository)
        async for entry in list_all(self.shelf.store, prefix, metadata=True):
            name = entry.path.removeprefix(prefix).partition("/")[0]
            tag = tags.setdefault(name, _Tag())
            if entry.path == self.shelf.layout.tag_link(repository, name):
                tag.current = entry
            else:
                tag.index.append(entry)
        turn = asyncio.Semaphore(_AT_ONCE)

        async def points_to(name: str, tag: _Tag) -> bool:
            async with turn:
                return await self._points_to(repository, name, tag, digest)

        found = await together(points_to(name, tag) for name, tag in tags.items())
        return {name: tags[name] for name, points in zip(tags, found, strict=True) if points}

    async def _points_to(self, repository: str, name: str, tag: _Tag, digest: Digest) -> bool:
        if tag.current is not None and tag.current.properties is not None:
            told = tag.current.properties.metadata.get("digest")
            if told is not None:
                return told == str(digest)
            with suppress(NotFound):
                return (await read_link(self.shelf.store, tag.current.path)).digest == digest
        last = by_age(self.shelf.layout.tag_index(repository, name), tag.index)[:1]
        return last == [digest]

    async def _untag(self, repository: str, name: str, tag: _Tag) -> None:
        """A tag that is moved meanwhile stays, without its history."""
        await self._delete_all(entry.path for entry in tag.index)
        if tag.current is not None and tag.current.properties is not None:
            condition = if_match(tag.current.properties.etag)
            if not await self._delete(tag.current.path, condition):
                return
        await self._delete_below(self.shelf.layout.tag_index(repository, name))

    async def _read(self, digest: Digest) -> tuple[Link, Manifest | None]:
        """What a push of the manifest would link to; no manifest where nobody can read it."""
        try:
            content = await self.shelf.read_content(digest)
            manifest = await parse(content)
        except (NotFound, ManifestInvalid):
            return Link(digest), None
        return Link(digest, manifest.media_type, len(content)), manifest

    async def _unrefer(self, repository: str, digest: Digest, manifest: Manifest | None) -> None:
        if manifest is not None:
            await self.referrers.remove(repository, digest, manifest)

    async def _restore_if_pushed(
        self, repository: str, link: Link, manifest: Manifest | None
    ) -> None:
        """Whatever a push at the same time made of the manifest, leave it whole."""
        await self._unrefer(repository, link.digest, manifest)
        tagged = await self._tags_to(repository, link.digest)
        if tagged or (manifest and manifest.subject and await self._is_linked(repository, link)):
            await self.shelf.link_manifest(repository, link)
            if manifest is not None:
                await self.referrers.add(repository, link, manifest)
            await self.shelf.mark_repository(repository)

    async def _is_linked(self, repository: str, link: Link) -> bool:
        try:
            await self.shelf.store.head(self.shelf.layout.revision_link(repository, link.digest))
        except NotFound:
            return False
        return True

    async def _delete(self, path: str, condition: Condition = UNCONDITIONAL) -> bool:
        try:
            await self.shelf.store.delete(path, condition=condition)
        except (NotFound, ConditionFailed):
            return False
        return True

    async def _delete_below(self, prefix: str) -> bool:
        """Whether anything was there."""
        paths = [entry.path async for entry in list_all(self.shelf.store, prefix)]
        await self._delete_all(paths)
        return bool(paths)

    async def _delete_all(self, paths: Iterable[str]) -> None:
        await together(self._delete(path) for path in paths)
