"""Garbage of class 3: content that no link in any repository names, nor any other record.

Paths decide, so no manifest needs to be understood for it. Content that does not fit the table in
memory takes several passes, each for the digests that begin with one hex digit.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ...aio import for_each, off_loop
from ...object_store.errors import NotFound, StoreRefused, TooLarge
from ...object_store.interface import ObjectStore
from ...spec.digest import SHA256, SHA512, Digest
from ...spec.errors import ManifestInvalid
from ...spec.named_digests import named_digests
from ...storage.condemnation import is_condemned
from ...storage.layout import Layout
from ...storage.layout_parse import Kind
from ..digest_table import DigestTable
from ..walk import ListedObject
from .acts import AT_ONCE, Acts, Candidate
from .listing import list_objects
from .report import GcReport, Part, PartCount

PASSES: Sequence[str] = "0123456789abcdef"
"""The first digits of the digests of each pass, where there is too much content for one."""

_REASON = "no link in any repository names it"

_MAX_RECORD_BYTES = 16 * 2**20

# In the paths of links.
_REPOSITORY = re.compile(rb"/repositories/([a-z0-9._/-]+?)/_")


class TooMuchContent(Exception):
    """There is more content than the table may have."""


def content_prefixes(layout: Layout, digit: str) -> list[str]:
    """Return what to list for the content whose digest begins with a digit; all if it is empty."""
    base = f"{layout.base}blobs/"
    return [f"{base}{each}/{digit}" for each in (SHA256, SHA512)] if digit else [base]


async def list_content(store: ObjectStore, layout: Layout, digit: str, limit: int) -> DigestTable:
    """Return the digests of all content, with its sizes. One call for 5,000.

    :raises TooMuchContent: there is more than ``limit``.
    """
    table = DigestTable()
    for prefix in content_prefixes(layout, digit):
        async for rows in list_objects(store, prefix):
            for item in rows:
                if item.place.kind is Kind.CONTENT and item.place.digest is not None:
                    table.add(item.place.digest, item.properties.size)
            if len(table) > limit:
                raise TooMuchContent
    return table


@dataclass
class RecordedRoots:
    """What records name that are not links: deletions that can be undone, and repairs cut off."""

    store: ObjectStore
    layout: Layout
    report: GcReport
    named: DigestTable

    async def mark_trash(self) -> None:
        """Mark what the records of deletions name. One call for each.

        To be called after the repositories have been listed: a deletion writes its record before
        it deletes a link.
        """
        async for rows in list_objects(self.store, self.layout.trash):
            await for_each([item.path for item in rows], self._mark_trashed, limit=AT_ONCE)

    async def _mark_trashed(self, path: str) -> None:
        for digest in await self._named_by(await self._read(path), path):
            size = self.named.number(digest)
            if size is not None and not self.named.is_marked(digest):
                self.named.mark(digest)
                self.report.usage.trash.bytes += size

    async def mark_replacements(self) -> frozenset[str]:
        """Mark the links that repairs are replacing, or were when they were cut off.

        Return the repositories whose links these are: some may be missing. One call for each 16.
        """
        repositories: set[str] = set()
        async for rows in list_objects(self.store, self.layout.replacements):
            for item in rows:
                content = await self._read(item.path)
                for digest in await self._named_by(content, item.path):
                    self.named.mark(digest)
                repositories.update(name.decode() for name in _REPOSITORY.findall(content))
        return frozenset(repositories)

    async def _named_by(self, content: bytes, path: str) -> Iterable[Digest]:
        """Return the digests in a record; without any, and a note, if it is damaged."""
        try:
            return await off_loop(len(content), named_digests, content) if content else ()
        except ManifestInvalid as error:
            self.report.keep_content(f"{path} is damaged: {error}")
            return ()

    async def _read(self, path: str) -> bytes:
        """Return a record; nothing if it is gone, and nothing, with a note, if it is unreadable."""
        try:
            content = (await self.store.get(path, limit=_MAX_RECORD_BYTES)).content
        except NotFound:
            return b""  # it has expired, or what it names is back
        except (TooLarge, StoreRefused) as error:
            self.report.keep_content(f"{path} cannot be read: {error}")
            return b""
        if not content:
            self.report.keep_content(f"{path} is empty")
        return content


@dataclass
class ContentCollection:
    """Judges all content of one pass: ``named`` has marks for what is referenced.

    ``checkpoint`` is called with the path behind which the collection may continue later.
    """

    acts: Acts
    layout: Layout
    named: DigestTable
    digit: str
    checkpoint: Callable[[str], Awaitable[None]]

    async def run(self, after: str) -> None:
        """Judge the content behind ``after``, as it is listed now. One call for 5,000."""
        for prefix in content_prefixes(self.layout, self.digit):
            if after > f"{prefix}~":
                continue
            async for rows in list_objects(self.acts.store, prefix, after=after):
                await self._judge([item for item in rows if item.place.kind is Kind.CONTENT])
                if rows:
                    await self.checkpoint(rows[-1].path)

    async def _judge(self, rows: Sequence[ListedObject]) -> None:
        report = self.acts.report
        count = report.parts[Part.CONTENT]
        count.examined += len(rows)
        garbage = [item for item in rows if self._is_garbage(item)]
        before = replace(count)
        if not report.content_kept:
            await self.acts.settle(Part.CONTENT, map(_candidate, garbage))
            await self.acts.pardon_all(Part.CONTENT, filter(self._is_named, rows))
        self._count(rows, garbage, before, count)

    def _count(
        self,
        rows: Sequence[ListedObject],
        garbage: Sequence[ListedObject],
        before: PartCount,
        after: PartCount,
    ) -> None:
        """Count what these rows leave in the container."""
        usage = self.acts.report.usage
        condemned = [item for item in garbage if is_condemned(item.properties)]
        for amount, items in (
            (usage.content, rows),
            (usage.garbage, garbage),
            (usage.condemned, condemned),
        ):
            amount.add(sum(item.properties.size for item in items), len(items))
        if self.acts.options.dry_run:
            return
        new = after.condemned - before.condemned
        usage.condemned.add(after.condemned_bytes - before.condemned_bytes, new)
        gone = after.deleted - before.deleted
        for amount in (usage.content, usage.garbage, usage.condemned):
            amount.add(before.deleted_bytes - after.deleted_bytes, -gone)

    def _is_garbage(self, item: ListedObject) -> bool:
        digest = item.place.digest
        return digest is not None and digest in self.named and not self.named.is_marked(digest)

    def _is_named(self, item: ListedObject) -> bool:
        return item.place.digest is not None and self.named.is_marked(item.place.digest)


def _candidate(item: ListedObject) -> Candidate:
    return Candidate(item.path, item.properties, _REASON)
