"""Links and other small objects: each is a block blob, written whole in one put.

Other registries write them as append blobs, in two steps: an empty link is read again. An append
blob that is in the way of new content is replaced. One that is right already only gets metadata,
since readers would miss it between its deletion and the put.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from ..object_store.errors import ConditionFailed, NotFound, TooLarge, WrongKind, contended
from ..object_store.interface import (
    IF_ABSENT,
    Condition,
    ObjectStore,
    Properties,
    StoredObject,
    delete_if,
    if_match,
)
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.errors import DigestInvalid
from .condemnation import without_mark

REREAD_DELAYS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds before each further look at an object that another registry may be about to complete."""

MAX_LINK_BYTES = 1024
"""A larger object is not a link: the longest digest has 135 characters."""

# How often an append blob is replaced that somebody keeps writing anew.
_REPLACEMENTS = 4
# How often writing a link is attempted while others write it too. In each round one of them
# succeeds, so many writers take many attempts, and pauses of up to so many seconds after a few.
_ATTEMPTS = 200
_QUICK_ATTEMPTS = 8
_PAUSE = 0.05

# Of a link that is about to be deleted.
_REMOVED = {"removed": "1"}
# How often that is noted in a link that others write at the same time.
_NOTES = 16

_NAMES = frozenset({"digest", "mediatype", "size"})


@dataclass(frozen=True)
class Link:
    """A link: its target's digest, and what its metadata say of the target.

    ``media_type`` and ``size`` (in bytes) are None for links that another registry wrote. ``extra``
    are further metadata, as they are stored: see `link_metadata`. ``body`` is the object's content
    where that says more than the digest; it is not read back.
    """

    digest: Digest
    media_type: str | None = None
    size: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict, hash=False)
    body: bytes = field(default=b"", repr=False)

    @classmethod
    def to(
        cls, target: Descriptor, extra: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Link:
        """Return a link to what the descriptor describes."""
        return cls(target.digest, target.media_type, target.size, extra or {}, body)

    @property
    def content(self) -> bytes:
        """The object's content."""
        return self.body or str(self.digest).encode()

    @property
    def metadata(self) -> Mapping[str, str]:
        """The object's metadata."""
        metadata = {"digest": str(self.digest)}
        if self.media_type is not None:
            metadata["mediatype"] = self.media_type
        if self.size is not None:
            metadata["size"] = str(self.size)
        return {**metadata, **self.extra}

    @property
    def descriptor(self) -> Descriptor | None:
        """The target's descriptor; None where the link does not say enough."""
        if self.media_type is None or self.size is None:
            return None
        return Descriptor(self.media_type, self.digest, self.size)

    def described_by(self, properties: Properties) -> Link:
        """Return the link with what its metadata say, unless they are of another digest."""
        metadata = properties.metadata
        size = metadata.get("size", "")
        if metadata.get("digest") != str(self.digest) or not size.isdecimal():
            return self
        kept = without_mark(metadata)
        extra = {name: value for name, value in kept.items() if name not in _NAMES}
        return Link(self.digest, metadata.get("mediatype"), int(size), extra)


async def read_link(store: ObjectStore, path: str) -> Link:
    """Return the link at ``path``. One call, unless it is empty.

    :raises NotFound: the link does not exist, or holds no digest.
    """
    for delay in (*REREAD_DELAYS, None):
        try:
            found = await store.get(path, limit=MAX_LINK_BYTES)
        except TooLarge as error:
            raise NotFound(f"{path} holds no digest") from error
        if found.content.strip():
            return _parse_link(path, found.content).described_by(found.properties)
        if delay is not None:
            await asyncio.sleep(delay)
    raise NotFound(f"{path} stays empty")


def _parse_link(path: str, content: bytes) -> Link:
    try:
        return Link(Digest.parse(content.decode("ascii").strip()))
    except (DigestInvalid, UnicodeDecodeError) as error:
        raise NotFound(f"{path} holds no digest") from error


async def put_link(store: ObjectStore, path: str, link: Link) -> str:
    """Write a link whose path contains its digest. One call, three over an append blob.

    Return its ETag.

    It has another ETag then in any case: a deletion of the one that was
    there before, which is conditional on that, leaves it.

    :raises StoreUnavailable: another registry writes it again and again.
    """
    for _ in range(_REPLACEMENTS):
        try:
            return await store.put(path, link.content, metadata=link.metadata)
        except WrongKind:
            etag = await _describe_append_blob(store, path, link)
            if etag is not None:
                return etag
    raise contended(path)


async def _describe_append_blob(store: ObjectStore, path: str, link: Link) -> str | None:
    """Write a link's metadata to the append blob that holds it; delete one that does not.

    Return the link's ETag; None if it is not there. Storage does not put over an append blob, and
    readers would miss it between its deletion and the put.
    """
    with suppress(NotFound, ConditionFailed):  # changed meanwhile
        found = await look_at_link(store, path, delays=())
        if found.etag is None:
            return None
        if found.digest == link.digest and not link.body:
            return await store.set_metadata(path, link.metadata, condition=found.condition)
        await delete_if(store, path, found.condition)
    return None


@dataclass(frozen=True)
class Seen:
    """A link as it was seen: its ETag, None if there is none, and the digest that it holds.

    ``digest`` is None, too, where the link is empty, or is ``damaged``: holds something else.
    """

    etag: str | None = None
    digest: Digest | None = None
    damaged: bool = False

    @property
    def condition(self) -> Condition:
        """The condition that the link is still as it was seen."""
        return if_match(self.etag) if self.etag else IF_ABSENT


async def look_at_link(
    store: ObjectStore, path: str, *, delays: Sequence[float] = REREAD_DELAYS
) -> Seen:
    """Return the link at ``path`` as it is now. One call, unless it is empty.

    ``delays``: the seconds before each further look at an empty one.
    """
    found: StoredObject | None = None
    for delay in (*delays, None):
        try:
            found = await store.get(path, limit=MAX_LINK_BYTES)
        except NotFound:
            return Seen()
        except TooLarge:
            return Seen((await store.head(path)).etag, damaged=True)
        if found.content.strip() or delay is None:
            break
        await asyncio.sleep(delay)
    assert found is not None
    etag, content = found.properties.etag, found.content
    try:
        return Seen(etag, _parse_link(path, content).digest)
    except NotFound:
        return Seen(etag, damaged=bool(content.strip()))


async def set_link(
    store: ObjectStore, path: str, link: Link, seen: Seen, check: Callable[[Seen], bool]
) -> None:
    """Write a link over the one that was seen. One call, unless somebody else has written it since.

    Then it is looked at again and written over that: of concurrent writers the last one wins. A
    request that arrives late finds another link than the one that it may replace, and does nothing.

    :param seen: the link as it was after the caller was called: what `look_at_link` returned.
    :param check: called with each other link that is met; raises what is wrong with replacing it,
        and returns whether it is to be replaced.
    :raises StoreUnavailable: others wrote it again and again.
    """
    for attempt in range(_ATTEMPTS):
        try:
            await store.put(path, link.content, metadata=link.metadata, condition=seen.condition)
        except ConditionFailed:
            pass
        except WrongKind:  # storage does not put over an append blob
            if seen.etag and await delete_if(store, path, if_match(seen.etag)):
                seen = Seen()
                continue
        else:
            return
        if attempt >= _QUICK_ATTEMPTS:
            await asyncio.sleep(random.random() * _PAUSE)  # noqa: S311 - no secret
        seen = await look_at_link(store, path)
        if not check(seen):
            return
    raise contended(path)


async def announce_removal(store: ObjectStore, path: str, *, etag: str | None = None) -> Properties:
    """Note in a link that it is about to be deleted. Two calls.

    So a push at the same time, which needs the link, finds out: see `keep_link`. Return its
    properties, with the ETag that it has now, and without the note.

    :param etag: that of the link that is meant; None: whatever is there.
    :raises NotFound: the link does not exist.
    :raises ConditionFailed: it does not have the ETag.
    :raises StoreUnavailable: others write it again and again.
    """
    for _ in range(_NOTES):
        found = await store.head(path)
        if etag not in (None, found.etag):
            raise ConditionFailed(f"{path} was written again")
        kept = _without_note(found)
        if is_removed(found):
            return replace(found, metadata=kept)
        with suppress(ConditionFailed):
            unchanged = if_match(found.etag)
            noted = await store.set_metadata(path, {**kept, **_REMOVED}, condition=unchanged)
            return replace(found, etag=noted)
    raise contended(path)


def _without_note(link: Properties) -> Mapping[str, str]:
    return {name: text for name, text in link.metadata.items() if name not in _REMOVED}


def is_removed(link: Properties) -> bool:
    """Return whether a link is about to be deleted."""
    return _REMOVED.items() <= link.metadata.items()


async def keep_link(store: ObjectStore, path: str) -> None:
    """Keep a link from a deletion that has announced itself, and from being collected.

    One call, two if that has to be noted in the link.

    :raises NotFound: the link does not exist.
    :raises StoreUnavailable: others write it again and again.
    """
    for _ in range(_NOTES):
        found = await store.head(path)
        kept = without_mark(_without_note(found))
        if kept == found.metadata:
            return
        with suppress(ConditionFailed):
            await store.set_metadata(path, kept, condition=if_match(found.etag))
            return
    raise contended(path)
