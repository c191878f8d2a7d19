"""Manifests and the tags that point to them.

The order of writes is what keeps readers whole: what a manifest references is there before its
content, its content before the revision link, and all of it before the tag's current link makes it
visible.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from ..registry import ManifestContent
from ..spec.descriptor import Descriptor
from ..spec.digest import SHA256, Digest
from ..spec.endpoints import Reference
from ..spec.errors import DigestInvalid, ManifestBlobUnknown, ManifestUnknown
from ..spec.manifest import Manifest, detect_media_type, parse_manifest
from .concurrency import together
from .content import Content
from .object_store import NotFound
from .shelf import Shelf
from .small_objects import Link, put_link, read_link

# Bytes. The worst JSON of 4 MiB takes more than half a second, too long for the event loop.
_PARSED_INLINE = 64 * 2**10


@dataclass
class Manifests:
    """`Reader`'s and `Writer`'s manifests over the object store."""

    shelf: Shelf

    async def resolve_manifest(self, repository: str, reference: Reference) -> Descriptor:
        try:
            link = await self._find(repository, reference)
            if link.descriptor is not None:
                return link.descriptor
            return _describe(link, await self.shelf.read_content(link.digest))
        except NotFound:
            raise _unknown(repository, reference) from None

    async def get_manifest(self, repository: str, reference: Reference) -> ManifestContent:
        try:
            if isinstance(reference, Digest):
                link, content = await self._find_and_read(repository, reference)
            else:
                link = await self._find(repository, reference)
                content = await self.shelf.read_content(link.digest)
        except NotFound:
            raise _unknown(repository, reference) from None
        return ManifestContent(_describe(link, content), content)

    async def _find(self, repository: str, reference: Reference) -> Link:
        if isinstance(reference, Digest):
            return await self.shelf.find_manifest(repository, reference)
        return await read_link(self.shelf.store, self.shelf.layout.tag_link(repository, reference))

    async def _find_and_read(self, repository: str, digest: Digest) -> tuple[Link, bytes]:
        """Membership and content at the same time; they do not depend on each other."""
        link: Link | None = None
        content: bytes | None = None

        async def find() -> None:
            nonlocal link
            link = await self.shelf.find_manifest(repository, digest)

        async def read() -> None:
            nonlocal content
            content = await self.shelf.read_content(digest)

        await together((find(), read()))
        assert link is not None
        assert content is not None
        return link, content

    async def push_manifest(
        self, repository: str, reference: Reference, content: bytes, content_type: str | None
    ) -> Descriptor:
        manifest = await _parse(content, content_type)
        digest = _check_digest(reference, content)
        await self._check_references(repository, manifest)
        link = Link(digest, manifest.media_type, len(content))
        await Content(self.shelf.store, self.shelf.layout).put(digest, content)
        self.shelf.content.put(digest, content)
        writes = [
            self.shelf.link_manifest(repository, link),
            self.shelf.mark_repository(repository),
        ]
        if isinstance(reference, str):
            path = self.shelf.layout.tag_index_link(repository, reference, digest)
            writes.append(put_link(self.shelf.store, path, link))
        await together(writes)
        if isinstance(reference, str):
            path = self.shelf.layout.tag_link(repository, reference)
            await put_link(self.shelf.store, path, link)
        return Descriptor(manifest.media_type, digest, len(content))

    async def _check_references(self, repository: str, manifest: Manifest) -> None:
        """All at once, each digest once; nothing is written before."""
        blobs = _unique(manifest.required_blobs)
        children = _unique(manifest.manifests)
        missing = await together(
            [
                *(_missing(d, self.shelf.find_blob(repository, d)) for d in blobs),
                *(_missing(d, self.shelf.find_manifest(repository, d)) for d in children),
            ]
        )
        unknown = [str(digest) for digest in missing if digest]
        if unknown:
            raise ManifestBlobUnknown(detail=unknown)


async def _parse(content: bytes, content_type: str | None) -> Manifest:
    if len(content) <= _PARSED_INLINE:
        return parse_manifest(content, content_type)
    return await asyncio.to_thread(parse_manifest, content, content_type)


async def _missing(digest: Digest, lookup: Coroutine[Any, Any, object]) -> Digest | None:
    try:
        await lookup
    except NotFound:
        return digest
    return None


def _unique(descriptors: Iterable[Descriptor]) -> list[Digest]:
    return list(dict.fromkeys(descriptor.digest for descriptor in descriptors))


def _check_digest(reference: Reference, content: bytes) -> Digest:
    if not isinstance(reference, Digest):
        return Digest.of(content, SHA256)
    actual = Digest.of(content, reference.algorithm)
    if actual != reference:
        raise DigestInvalid(f"the manifest's digest is {actual}, not {reference}")
    return actual


def _describe(link: Link, content: bytes) -> Descriptor:
    media_type = link.media_type or detect_media_type(content)
    return Descriptor(media_type, link.digest, len(content))


def _unknown(repository: str, reference: Reference) -> ManifestUnknown:
    return ManifestUnknown(f"manifest unknown to {repository}: {reference}")
