"""The rows of tags in a listing: what a deletion deletes, on the condition of what was seen."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from ..aio import for_each
from ..object_store.errors import NotFound
from ..object_store.interface import Entry, ObjectStore, list_all
from ..spec.digest import Digest
from .layout import Layout
from .link_metadata import parse_digest
from .links import read_link
from .tags import newest_first

_AT_ONCE = 16


@dataclass
class TagRows:
    """A listing's rows of one tag: its current link, if there is one, and its index."""

    name: str
    current: Entry | None = None
    index: list[Entry] = field(default_factory=list)


@dataclass(frozen=True)
class TagListing:
    """The tags of all repositories, listed with the metadata of their links."""

    store: ObjectStore
    layout: Layout

    async def of_tag(self, repository: str, tag: str) -> TagRows | None:
        """Return the rows of a tag; None if it does not exist. One call."""
        found = await self._list(repository, f"{self.layout.tags(repository)}{tag}/")
        return found[0] if found else None

    async def of_all(self, repository: str) -> list[TagRows]:
        """Return the rows of all tags. One call for each 5,000 links."""
        return await self._list(repository, self.layout.tags(repository))

    async def pointing_to(self, repository: str, digest: Digest) -> list[TagRows]:
        """Return the tags that point to a manifest, or would if they had no current link."""
        tags = await self.of_all(repository)

        async def target(tag: TagRows) -> Digest | None:
            return await self.target(repository, tag)

        targets = await for_each(tags, target, limit=_AT_ONCE)
        return [tag for tag, to in zip(tags, targets, strict=True) if to == digest]

    async def target(self, repository: str, tag: TagRows) -> Digest | None:
        """Return what a tag points to. No call, unless another registry wrote its current link."""
        if tag.current is not None and tag.current.properties is not None:
            digest = parse_digest(tag.current.properties.metadata.get("digest"))
            if digest is not None:
                return digest
            with suppress(NotFound):
                return (await read_link(self.store, tag.current.path)).digest
        newest = newest_first(self.layout.tag_index(repository, tag.name), tag.index)
        return newest[0] if newest else None

    async def _list(self, repository: str, prefix: str) -> list[TagRows]:
        tags: dict[str, TagRows] = {}
        all_tags = self.layout.tags(repository)
        async for entry in list_all(self.store, prefix, metadata=True):
            name = entry.path.removeprefix(all_tags).partition("/")[0]
            tag = tags.setdefault(name, TagRows(name))
            if entry.path == self.layout.tag_link(repository, name):
                tag.current = entry
            else:
                tag.index.append(entry)
        return list(tags.values())
