"""Condemned objects: marked as garbage in their own metadata, and deleted later if left alone.

A collection of garbage deletes nothing that was not condemned some time before, the grace. The mark
changes the object's ETag, and its Last-Modified is the time of the sentence, by storage's clock. A
writer that relies on an object *observes* it: the look at it that the writer needs anyway, which
takes a mark off. The collection deletes on the condition of the ETag that the condemned object had.
So the object itself is the lock. Reads need not observe: they promise nothing.

The rules for writers:

- Whoever writes a link has observed the content itself, in the same request or in the time that
  `Membership` caches: the writer's own put is as good.
- Whoever writes a revision link has observed what the manifest references in that time.
- If more than `RELIED_ON` has passed between that and the link's answer, the writer observes again.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from ..object_store.errors import ConditionFailed, NotFound, contended
from ..object_store.interface import ObjectStore, Properties, if_match

CONDEMNED = "condemned"
"""The name in the metadata; the value is the id of the collection that condemned the object."""

REASON = "condemnedfor"
"""Why, where the object alone does not show it: see `condemn`."""

RELIED_ON = 30 * 60.0
"""Seconds for which what was observed may be relied on: half of the shortest grace that a
collection of garbage leaves to what it is about to delete."""

LEAST_GRACE = 2 * RELIED_ON
"""Seconds: the shortest grace."""

# How often an object is observed that others write at the same time.
_ATTEMPTS = 16


def is_condemned(found: Properties) -> bool:
    """Return whether an object is condemned."""
    return CONDEMNED in found.metadata


def without_mark(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata of an object that is not condemned any more."""
    return {name: text for name, text in metadata.items() if name not in (CONDEMNED, REASON)}


async def observe(store: ObjectStore, path: str) -> Properties:
    """Return the properties of an object that the caller goes on to rely on. One call.

    One more if the object is condemned: then it is pardoned.

    :raises NotFound: the object does not exist (any more).
    :raises StoreRefused: it is condemned, and cannot be pardoned: it is archived, for example.
    :raises StoreUnavailable: others write it again and again.
    """
    for _ in range(_ATTEMPTS):
        found = await store.head(path)
        with suppress(ConditionFailed):
            return await pardon(store, path, found)
    raise contended(path)


async def pardon(store: ObjectStore, path: str, found: Properties) -> Properties:
    """Take the mark off an object, if it has one: one call then. Return its properties.

    :param found: the object as it was seen.
    :raises ConditionFailed: it is another one by now, or is gone.
    :raises NotFound: it is gone.
    """
    if not is_condemned(found):
        return found
    metadata = without_mark(found.metadata)
    etag = await store.set_metadata(path, metadata, condition=if_match(found.etag))
    return replace(found, etag=etag, metadata=metadata)


async def condemn(
    store: ObjectStore, path: str, found: Properties, run: str, reason: str = ""
) -> bool:
    """Condemn an object, if it is still as it was seen. Return whether it is. One call.

    :param run: the id of the collection of garbage.
    :param reason: why, where later collections cannot see it; printable ASCII.
    :raises StoreRefused: storage does not permit it: the object is archived or immutable.
    """
    metadata = {**found.metadata, CONDEMNED: run} | ({REASON: reason} if reason else {})
    try:
        await store.set_metadata(path, metadata, condition=if_match(found.etag))
    except (NotFound, ConditionFailed):
        return False
    return True
