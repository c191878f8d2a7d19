"""The trash: records of deletions, each written before anything is deleted.

While a record exists, what it names can be restored: collections of garbage keep every content that
a record names (`TrashRecord.digests`). A record that cannot be read may name anything.

Records of a repository are found by listing all of them: deletions are rare, and 5,000 take a call.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..aio import in_slices, off_loop
from ..object_store.batches import MAX_BATCH
from ..object_store.errors import (
    ConditionFailed,
    NotFound,
    StoreRefused,
    StoreUnavailable,
    TooLarge,
    contended,
)
from ..object_store.interface import Entry, ObjectStore, StoredObject, delete_if, if_match, list_all
from ..spec.errors import DigestInvalid, NameInvalid
from ..spec.references import NamedReference
from .layout import Layout
from .trash_record import (
    MAX_RECORD_BYTES,
    TrashEntry,
    TrashKind,
    TrashRecord,
    TrashUnknown,
    TrashUnreadable,
    trash_id,
)

__all__ = ["Trash", "TrashEntry", "TrashKind", "TrashRecord", "TrashUnknown", "TrashUnreadable"]

DELETE_RETENTION = timedelta(days=14)
"""For how long deletions can be undone by default."""

_log = logging.getLogger(__name__)

# Metadata of a record whose deletion is being undone: when that began, in Unix time.
_RESTORED = "restored"

# How often a record is touched that others touch at the same time.
_ATTEMPTS = 8


@dataclass
class Trash:
    """The records of deletions of one registry. Nothing is cached. ``now``: Unix time."""

    store: ObjectStore
    layout: Layout
    now: Callable[[], float] = time.time

    def new_id(self) -> tuple[str, datetime]:
        """Return an id for the record of a deletion that begins now, and that time."""
        deleted = datetime.fromtimestamp(int(self.now()), UTC)
        return trash_id(deleted, secrets.token_hex(8)), deleted

    async def put(self, record: TrashRecord) -> str:
        """Write the record of a deletion that is about to begin. One call. Return its ETag."""
        content = await off_loop(len(record.digests) * 80, record.to_json)
        # Without a condition: nobody else has this id, and a repeated put is the same.
        return await self.store.put(
            self.layout.trashed(record.id), content, metadata=record.metadata()
        )

    async def discard(self, ident: str, etag: str) -> bool:
        """Delete a record, if it still has the ETag. One call. Return whether it did."""
        return await delete_if(self.store, self.layout.trashed(ident), if_match(etag))

    async def withdraw(self, ident: str, etag: str) -> None:
        """Delete the record of a deletion that has deleted nothing. One call.

        A record that stays does no harm: what it would restore is there.
        """
        try:
            await self.discard(ident, etag)
        except (StoreUnavailable, StoreRefused) as error:
            _log.warning("the record %s of a deletion that failed is left behind: %s", ident, error)

    async def read(self, ident: str) -> TrashRecord:
        """Return a record. One call.

        :raises TrashUnknown: it does not exist.
        :raises TrashUnreadable: it is damaged: it may name any content.
        """
        return await self._parse(ident, await self._get(ident))

    async def touch(self, ident: str) -> tuple[TrashRecord, str]:
        """Return a record that is about to be restored, and the ETag that it has now. Two calls.

        Whoever has seen it before cannot delete it any more: a purge deletes what it has seen.

        :raises TrashUnknown, TrashUnreadable: as for `read`.
        :raises StoreUnavailable: others restore it again and again.
        """
        path = self.layout.trashed(ident)
        for _ in range(_ATTEMPTS):
            found = await self._get(ident)
            record = await self._parse(ident, found)
            metadata = {**found.properties.metadata, _RESTORED: str(int(self.now()))}
            with suppress(ConditionFailed, NotFound):
                unchanged = if_match(found.properties.etag)
                return record, await self.store.set_metadata(path, metadata, condition=unchanged)
        raise contended(path)

    async def _get(self, ident: str) -> StoredObject:
        path = self.layout.trashed(ident)
        try:
            return await self.store.get(path, limit=MAX_RECORD_BYTES)
        except NotFound:
            raise TrashUnknown(
                f"the trash has no record {ident}: it was restored or purged, or never existed"
            ) from None
        except TooLarge as error:
            raise TrashUnreadable(f"{ident} is not the record of a deletion: {error}") from None

    async def _parse(self, ident: str, found: StoredObject) -> TrashRecord:
        return await off_loop(len(found.content), TrashRecord.of_json, ident, found.content)

    async def list(self, repository: str | None = None) -> AsyncIterator[TrashEntry]:
        """Yield the deletions, the oldest first. One call for each 5,000.

        One more for each record whose metadata do not describe it. Damaged ones are yielded, too,
        without a ``kind``, unless only those of one ``repository`` are requested.
        """
        async for row in list_all(self.store, self.layout.trash, metadata=True):
            entry = await self._entry(row)
            if entry is not None and repository in (None, entry.repository):
                yield entry

    async def find(self, reference: NamedReference) -> TrashEntry:
        """Return the newest deletion of a tag, or of a manifest or blob. Calls as for `list`.

        A tag was deleted by itself, or with its manifest.

        :raises TrashUnknown: there is none.
        """
        found: TrashEntry | None = None
        async for entry in self.list(reference.repository):
            if await self._is_of(entry, reference):
                found = entry
        if found is None:
            raise TrashUnknown(f"the trash has no deletion of {reference}")
        return found

    async def _is_of(self, entry: TrashEntry, reference: NamedReference) -> bool:
        if reference.digest not in (None, entry.digest):
            return False
        if reference.tag is None:
            return entry.kind is not TrashKind.TAG
        if reference.tag in entry.tags or entry.number_of_tags == len(entry.tags):
            return reference.tag in entry.tags
        try:
            return reference.tag in (await self.read(entry.id)).tags
        except (TrashUnknown, TrashUnreadable):
            return False

    async def _entry(self, row: Entry) -> TrashEntry | None:
        properties, ident = row.properties, row.path.removeprefix(self.layout.trash)
        if properties is None:
            return None
        with suppress(ValueError, DigestInvalid, NameInvalid):
            return TrashEntry.of_metadata(ident, properties.etag, properties.metadata)
        try:
            return TrashEntry.of_record(await self.read(ident), properties.etag)
        except TrashUnknown:
            return None
        except TrashUnreadable as error:
            _log.warning("%s", error)
            return TrashEntry(ident, properties.etag, properties.last_modified)

    async def purge(self, entries: Sequence[TrashEntry]) -> int:
        """Delete records for good, unless they are being restored. One call for each 256.

        What only they name is garbage from now on. Return how many were deleted.

        :raises BatchRefused: storage refuses to delete some.
        """
        number = 0
        async for some in in_slices(entries, MAX_BATCH):
            items = [(self.layout.trashed(entry.id), if_match(entry.etag)) for entry in some]
            number += sum(await self.store.delete_batch(items))
        return number
