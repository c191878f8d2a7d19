"""What a tag points to: its current link; while that is missing, the newest entry of its index.

It is missing while an append blob that another registry wrote is being replaced, which storage
cannot do in one step, and after a push that was cut off. In both cases what the index names last
is, or is about to become, what the tag points to. A write-once tag must not be
seen to point to one thing and then to another: for it, the current link alone counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus

from ..aio import together
from ..globs import NO_TAGS, TagGlobs
from ..object_store.interface import Entry, NotFound, list_all
from ..spec.digest import Digest
from ..spec.errors import Denied
from .layout import linked_digest
from .membership import Shelf
from .small_objects import Link, create_link, put_link, read_link, set_link


@dataclass
class TagLinks:
    """``write_once``: tags that are never moved nor deleted once they are there."""

    shelf: Shelf
    write_once: TagGlobs = NO_TAGS

    async def read(self, repository: str, tag: str) -> Link:
        """One call, unless the current link is missing.

        :raises NotFound:
        """
        try:
            return await read_link(self.shelf.store, self.shelf.layout.tag_link(repository, tag))
        except NotFound:
            if self.write_once.match(repository, tag):
                raise
            return await self._last_in_index(repository, tag)

    async def _last_in_index(self, repository: str, tag: str) -> Link:
        prefix = self.shelf.layout.tag_index(repository, tag)
        entries = [entry async for entry in list_all(self.shelf.store, prefix)]
        for digest in by_age(prefix, entries):
            try:
                return await self.shelf.find_manifest(repository, digest)
            except NotFound:
                continue  # deleted since
        raise NotFound(f"{prefix} names no manifest")

    async def check(self, repository: str, tags: Iterable[str], digest: Digest) -> None:
        """One call for each write-once tag.

        :raises Denied: a write-once tag points to another manifest.
        """

        async def check_one(tag: str) -> None:
            try:
                link = await self.read(repository, tag)
            except NotFound:
                return
            _refuse_to_move(repository, tag, link, digest)

        await together(check_one(tag) for tag in tags if self.write_once.match(repository, tag))

    async def point(self, repository: str, tag: str, link: Link) -> None:
        """Let the tag point to a manifest whose revision link is there.

        Two calls, unless an append blob is in the place of the current link. They are made at the
        same time: whichever takes place alone makes the tag point there, or leaves it as it was.

        :raises Denied: the tag is a write-once tag and points to another manifest.
        """
        layout, store = self.shelf.layout, self.shelf.store
        enter = put_link(store, layout.tag_index_link(repository, tag, link.digest), link)
        if not self.write_once.match(repository, tag):
            await together([enter, set_link(store, layout.tag_link(repository, tag), link)])
            return
        with closing(enter):
            there = await create_link(store, layout.tag_link(repository, tag), link)
            _refuse_to_move(repository, tag, there, link.digest)
            await enter

    def refuse_deletion(self, repository: str, tags: Iterable[str]) -> None:
        """:raises Denied: one of ``tags``, which are there, is a write-once tag."""
        for tag in tags:
            if self.write_once.match(repository, tag):
                raise _denied(f"tag {tag} of {repository} is write-once: it cannot be deleted")


def by_age(prefix: str, index: Iterable[Entry]) -> list[Digest]:
    """The digests that the entries of a tag's index name, the newest first."""
    entries = sorted(index, key=_last_modified, reverse=True)
    found = (linked_digest(entry.path.removeprefix(prefix)) for entry in entries)
    return [digest for digest in found if digest]


def _last_modified(entry: Entry) -> float:
    return entry.properties.last_modified.timestamp() if entry.properties else 0.0


def _refuse_to_move(repository: str, tag: str, there: Link, digest: Digest) -> None:
    if there.digest != digest:
        raise _denied(
            f"tag {tag} of {repository} is write-once and points to {there.digest}; "
            "push the manifest under another tag"
        )


def _denied(message: str) -> Denied:
    return Denied(message, status=HTTPStatus.CONFLICT)
