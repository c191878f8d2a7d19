"""What is taken out of a repository. Content stays: other repositories may have it.

The order is that of a push turned round: first the tags that point to a manifest, on condition that
they still do, then its entry among the referrers, then the revision link.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from ..spec.digest import Digest
from ..spec.errors import BlobUnknown, ManifestInvalid, ManifestUnknown
from .concurrency import together
from .object_store import (
    ANYWAY,
    Condition,
    ConditionFailed,
    Entry,
    NotFound,
    if_match,
    list_all,
)
from .parsing import parse
from .referrers import Referrers
from .shelf import Shelf
from .small_objects import read_link


@dataclass
class Deletions:
    """`Deleter` over the object store."""

    shelf: Shelf
    referrers: Referrers

    async def delete_blob(self, repository: str, digest: Digest) -> None:
        try:
            await self.shelf.store.delete(self.shelf.layout.blob_link(repository, digest))
        except NotFound:
            raise BlobUnknown(f"blob unknown to {repository}: {digest}") from None
        finally:
            self.shelf.blobs.forget((repository, digest))

    async def delete_tag(self, repository: str, tag: str) -> None:
        try:
            await self.shelf.store.delete(self.shelf.layout.tag_link(repository, tag))
        except NotFound:
            raise ManifestUnknown(f"manifest unknown to {repository}: {tag}") from None
        # Without its history the tag has no folder any more, and is listed no more.
        index = self.shelf.layout.tag_index(repository, tag)
        await self._delete_all([entry.path async for entry in list_all(self.shelf.store, index)])

    async def delete_manifest(self, repository: str, digest: Digest) -> None:
        path = self.shelf.layout.revision_link(repository, digest)
        try:
            await self.shelf.store.head(path)
            await self._untag(repository, digest)
            await self._unrefer(repository, digest)
            await self.shelf.store.delete(path)
        except NotFound:
            raise ManifestUnknown(f"manifest unknown to {repository}: {digest}") from None
        finally:
            self.shelf.manifests.forget((repository, digest))
        await self.shelf.unmark_if_empty(repository)

    async def _untag(self, repository: str, digest: Digest) -> None:
        """Delete the tags that point to the manifest; one that is moved meanwhile stays."""
        prefix = self.shelf.layout.tags(repository)
        entries = [entry async for entry in list_all(self.shelf.store, prefix, metadata=True)]
        tags = [
            tag
            for entry in entries
            if (tag := self.shelf.layout.tag_of(repository, entry.path))
            and await self._points_to(entry, digest)
            and await self._delete(entry.path, if_match(_etag(entry)))
        ]
        folders = tuple(f"{prefix}{tag}/index/" for tag in tags)
        await self._delete_all([e.path for e in entries if e.path.startswith(folders)])

    async def _points_to(self, entry: Entry, digest: Digest) -> bool:
        told = entry.properties.metadata.get("digest") if entry.properties else None
        if told is not None:
            return told == str(digest)
        try:
            return (await read_link(self.shelf.store, entry.path)).digest == digest
        except NotFound:
            return False

    async def _unrefer(self, repository: str, digest: Digest) -> None:
        with suppress(NotFound, ManifestInvalid):  # then no entry was ever made for it
            content = await self.shelf.read_content(digest)
            await self.referrers.remove(repository, digest, await parse(content))

    async def _delete(self, path: str, condition: Condition = ANYWAY) -> bool:
        try:
            await self.shelf.store.delete(path, condition=condition)
        except (NotFound, ConditionFailed):
            return False
        return True

    async def _delete_all(self, paths: list[str]) -> None:
        await together(self._delete(path) for path in paths)


def _etag(entry: Entry) -> str:
    return entry.properties.etag if entry.properties else ""
