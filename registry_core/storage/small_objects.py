"""Links and other small objects: each a block blob, written whole in one put.

Other registries wrote them as append blobs, in two steps: what is found so is replaced, and what is
found empty is read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.errors import DigestInvalid
from .object_store import (
    ANYWAY,
    Condition,
    ConditionFailed,
    NotFound,
    ObjectStore,
    Properties,
    WrongKind,
    if_match,
)

# How long a link may stay empty before it counts as absent, seconds between one look and the next.
_LOOKS = (0.05, 0.1, 0.2, 0.4, 0.8)


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
    for pause in (*_LOOKS, None):
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


async def put_link(store: ObjectStore, path: str, link: Link) -> None:
    """Write the link, whatever was there. One call, unless it meets an append blob."""
    await put_small(store, path, link.content, metadata=link.metadata)


async def put_small(
    store: ObjectStore,
    path: str,
    content: bytes,
    *,
    metadata: Mapping[str, str] | None = None,
    condition: Condition = ANYWAY,
) -> str:
    """`ObjectStore.put` that replaces an append blob, once. No HEAD is spent on asking first.

    :raises ConditionFailed:
    """
    try:
        return await store.put(path, content, metadata=metadata, condition=condition)
    except WrongKind:
        await _delete_append_blob(store, path)
        return await store.put(path, content, metadata=metadata, condition=condition)


async def _delete_append_blob(store: ObjectStore, path: str) -> None:
    try:
        properties = await store.head(path)
        if properties.is_append:
            await store.delete(path, condition=if_match(properties.etag))
    except (NotFound, ConditionFailed):
        return  # another writer was quicker: what it left is for the second put to meet
