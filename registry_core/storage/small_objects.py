"""Links and other small objects: each a block blob, written whole in one put.

Other registries wrote them as append blobs, in two steps: what is found empty is read again. What
is found in place of something new is replaced; what is right already stays as it is, since between
deleting and writing it nobody would find it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from ..object_store.interface import (
    IF_ABSENT,
    ConditionFailed,
    NotFound,
    ObjectStore,
    Properties,
    StoreUnavailable,
    WrongKind,
    if_match,
)
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.errors import DigestInvalid, Unavailable

LOOKS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds between one look and the next at what another registry may be about to complete."""

# How often an append blob is replaced that somebody keeps writing anew.
_REPLACEMENTS = 4


@dataclass(frozen=True)
class Link:
    """What a link says. Only links that we wrote tell media type and size."""

    digest: Digest
    media_type: str | None = None
    size: int | None = None

    @classmethod
    def to(cls, target: Descriptor) -> Link:
        return cls(target.digest, target.media_type, target.size)

    @property
    def content(self) -> bytes:
        return str(self.digest).encode()

    @property
    def metadata(self) -> Mapping[str, str]:
        metadata = {"digest": str(self.digest)}
        if self.media_type is not None:
            metadata["mediatype"] = self.media_type
        if self.size is not None:
            metadata["size"] = str(self.size)
        return metadata

    @property
    def descriptor(self) -> Descriptor | None:
        """None when the link does not say enough."""
        if self.media_type is None or self.size is None:
            return None
        return Descriptor(self.media_type, self.digest, self.size)

    def described_by(self, properties: Properties) -> Link:
        """The same link, with what its metadata say, unless they speak of another digest."""
        metadata = properties.metadata
        size = metadata.get("size", "")
        if metadata.get("digest") != str(self.digest) or not size.isdecimal():
            return self
        return Link(self.digest, metadata.get("mediatype"), int(size))


async def read_link(store: ObjectStore, path: str) -> Link:
    """What the link at ``path`` points to. One call, unless it is found empty.

    :raises NotFound: there is none, or none that holds a digest.
    """
    for pause in (*LOOKS, None):
        found = await store.get(path)
        if found.content.strip():
            return _parse_link(path, found.content).described_by(found.properties)
        if pause is not None:
            await asyncio.sleep(pause)
    raise NotFound(f"{path} stays empty")


def _parse_link(path: str, content: bytes) -> Link:
    try:
        return Link(Digest.parse(content.decode("ascii").strip()))
    except (DigestInvalid, UnicodeDecodeError) as error:
        raise NotFound(f"{path} holds no digest") from error


async def put_link(
    store: ObjectStore, path: str, link: Link, *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a link whose path has its digest. One call, unless it meets an append blob."""
    content = link.content
    try:
        await store.put(path, content, metadata=metadata or link.metadata)
    except WrongKind:
        if not await _holds(store, path, content):
            await _replace(store, path, content, metadata or link.metadata)


async def set_link(store: ObjectStore, path: str, link: Link) -> None:
    """Write a link, whatever was there. One call, unless it meets an append blob."""
    try:
        await store.put(path, link.content, metadata=link.metadata)
    except WrongKind:
        await _replace(store, path, link.content, link.metadata)


async def create_link(store: ObjectStore, path: str, link: Link) -> Link:
    """Write a link unless there is one. Returns the one that is there in the end. One call.

    :raises Unavailable: somebody else is about to write it, or to delete it.
    """
    for _ in range(2):
        try:
            await store.put(path, link.content, metadata=link.metadata, condition=IF_ABSENT)
        except (ConditionFailed, WrongKind):
            try:
                return await read_link(store, path)
            except NotFound:
                await _delete_empty(store, path)
        else:
            return link
    raise Unavailable(f"{path} is being written by another registry; try again")


async def _holds(store: ObjectStore, path: str, content: bytes) -> bool:
    try:
        return (await store.get(path)).content.strip() == content
    except NotFound:
        return False


async def _replace(
    store: ObjectStore, path: str, content: bytes, metadata: Mapping[str, str]
) -> None:
    """Put what storage does not put over an append blob. No HEAD is spent on asking first."""
    for _ in range(_REPLACEMENTS):
        await _delete_append_blob(store, path)
        try:
            await store.put(path, content, metadata=metadata)
        except WrongKind:
            continue  # another registry has written it anew
        return
    raise StoreUnavailable(f"{path} is written by another registry again and again")


async def _delete_append_blob(store: ObjectStore, path: str) -> None:
    try:
        properties = await store.head(path)
        if properties.is_append:
            await store.delete(path, condition=if_match(properties.etag))
    except (NotFound, ConditionFailed):
        return  # another writer was quicker: what it left is for the put to meet


async def _delete_empty(store: ObjectStore, path: str) -> None:
    """A link that stayed empty: whoever was to fill it is gone."""
    try:
        properties = await store.head(path)
        if properties.size == 0:
            await store.delete(path, condition=if_match(properties.etag))
    except (NotFound, ConditionFailed):
        return  # it has changed: the next look tells
