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

from ...spec.digest import Digest
from ..concurrency import together
from ..layout import Layout
from ..object_store import (
    IF_ABSENT,
    ConditionFailed,
    NotFound,
    ObjectStore,
    WrongKind,
    if_match,
)
from ..small_objects import Link

BATCH = 16


@dataclass(frozen=True)
class Replacement:
    """The link to be at ``path`` in place of the append blob with ``etag``."""

    path: str
    etag: str
    link: Link


async def replace_links(
    store: ObjectStore, layout: Layout, replacements: Sequence[Replacement]
) -> list[bool]:
    """For each, whether it was; not when it has changed since. Two calls each, and two more."""
    record = layout.replacing(secrets.token_hex(8))
    lines = [_to_json(replacement) for replacement in replacements]
    await store.put(record, json.dumps(lines).encode(), condition=IF_ABSENT)
    done = await together(_replace(store, replacement) for replacement in replacements)
    await store.delete(record)
    return done


async def finish_replacing(store: ObjectStore, record: str) -> int:
    """Put back what an earlier repair had deleted when it was killed. Returns how many links.

    :raises NotFound: the record is gone: whoever wrote it has finished.
    :raises ValueError: the record was not written by a repair.
    """
    content = (await store.get(record)).content
    put = await together([create(store, path, link) for path, link in _parse(content)])
    await store.delete(record)
    return sum(put)


async def create(store: ObjectStore, path: str, link: Link) -> bool:
    """Write the link where there is nothing. Returns whether there was nothing. One call."""
    try:
        await store.put(path, link.content, metadata=link.metadata, condition=IF_ABSENT)
    except (ConditionFailed, WrongKind):
        return False
    return True


async def _replace(store: ObjectStore, replacement: Replacement) -> bool:
    # Gone, too, is what a delete took whose answer was lost. Then nothing is to be missing.
    with suppress(NotFound, ConditionFailed):
        await store.delete(replacement.path, condition=if_match(replacement.etag))
    return await create(store, replacement.path, replacement.link)


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
