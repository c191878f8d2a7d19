"""Links that are append blobs, replaced by block blobs.

Storage puts no block blob over an append blob: it has to be deleted first, and whoever is killed
in between leaves a link missing that nothing else may tell of. So a record of a few links is put
before they are touched, and deleted when all are there again. Who finds one puts back what is
missing. One ``--repair`` at a time: another's record would be taken for one left behind.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ...aio import together
from ...object_store.interface import (
    IF_ABSENT,
    ConditionFailed,
    NotFound,
    ObjectStore,
    WrongKind,
    if_match,
)
from ...spec.digest import Digest
from ...storage.layout import Layout
from ...storage.links import Link

BATCH = 16


@dataclass(frozen=True)
class Replacement:
    """The link to be at ``path`` in place of the append blob with ``etag``.

    ``stand_in`` is the path of a link to the same that readers take while this one is missing, and
    that whoever deletes this one has deleted before.
    """

    path: str
    etag: str
    link: Link
    stand_in: str = ""


async def replace_links(
    store: ObjectStore, layout: Layout, replacements: Sequence[Replacement]
) -> list[bool]:
    """For each, whether it was; not when it has changed since it was seen.

    Two calls for all, three for each, and two more where there is a stand-in.
    """
    record = layout.replacing(secrets.token_hex(8))
    lines = [_to_json(replacement) for replacement in replacements]
    await store.put(record, json.dumps(lines).encode(), condition=IF_ABSENT)
    done = await together(_replace(store, replacement) for replacement in replacements)
    await store.delete(record)
    return done


async def remove(store: ObjectStore, path: str, etag: str) -> bool:
    """Delete an object that has not changed. Returns whether it had not."""
    try:
        await store.delete(path, condition=if_match(etag))
    except (NotFound, ConditionFailed):
        return False
    return True


async def finish_replacing(store: ObjectStore, record: str) -> int:
    """Put back what an earlier repair had deleted when it was killed. Returns how many links.

    :raises NotFound: the record is gone: whoever wrote it has finished.
    :raises ValueError: the record was not written by a repair.
    """
    content = (await store.get(record)).content
    put = await together([create(store, path, link) for path, link in _parse(content)])
    await store.delete(record)
    return sum(etag is not None for etag in put)


async def create(store: ObjectStore, path: str, link: Link) -> str | None:
    """Write the link where there is nothing. Returns its ETag, None if there was one. One call."""
    try:
        return await store.put(path, link.content, metadata=link.metadata, condition=IF_ABSENT)
    except (ConditionFailed, WrongKind):
        return None


async def is_there(store: ObjectStore, path: str) -> bool:
    """One call."""
    try:
        await store.head(path)
    except NotFound:
        return False
    return True


async def _is_unchanged(store: ObjectStore, replacement: Replacement) -> bool:
    with suppress(NotFound):
        return (await store.head(replacement.path)).etag == replacement.etag
    return False


async def _replace(store: ObjectStore, replacement: Replacement) -> bool:
    path, stand_in = replacement.path, replacement.stand_in
    stand_in_etag = await _stand_in(store, replacement)
    if not await _is_unchanged(store, replacement):
        if stand_in_etag:
            await remove(store, stand_in, stand_in_etag)
        return False
    # It was there a moment ago: when it is gone, our own delete took it, whose answer was lost.
    await remove(store, path, replacement.etag)
    etag = await create(store, path, replacement.link)
    if etag is None:
        return False
    if stand_in and not await is_there(store, stand_in):
        await remove(store, path, etag)
        return False
    return True


async def _stand_in(store: ObjectStore, replacement: Replacement) -> str | None:
    """The ETag of the stand-in, if it was not there."""
    if not replacement.stand_in:
        return None
    return await create(store, replacement.stand_in, Link(replacement.link.digest))


def _to_json(replacement: Replacement) -> dict[str, object]:
    link = replacement.link
    return {
        "path": replacement.path,
        "digest": str(link.digest),
        "mediaType": link.media_type,
        "size": link.size,
    }


def _parse(content: bytes) -> Iterable[tuple[str, Link]]:
    try:
        return [
            (line["path"], Link(Digest.parse(line["digest"]), line["mediaType"], line["size"]))
            for line in json.loads(content)
        ]
    except (TypeError, KeyError) as error:
        raise ValueError("not a record of replaced links") from error
