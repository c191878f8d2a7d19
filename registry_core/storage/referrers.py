"""Referrers: the manifests that name another one as their subject, listed by it.

An entry is a link under ``_referrers/``, written by one put on push and removed by one delete, so
writers never contend for a list. The index that clients keep themselves under the fallback
tag, for registries without a referrers API, is merged in.

Source: OCI distribution-spec, "Listing Referrers", "Referrers Tag Schema" and "Enabling the
Referrers API".
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import itemgetter

from ..aio import both, for_each, off_loop
from ..object_store.errors import ContinuationInvalid, NotFound, TooLarge
from ..object_store.interface import Properties, delete_if, if_match
from ..registry import Listing
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.endpoints import PageQuery
from ..spec.errors import DigestInvalid, ManifestInvalid
from ..spec.manifest import MAX_MANIFEST_BYTES, Manifest, parse_manifest
from ..spec.references import fallback_tag
from ..spec.referrers import describe_referrer
from .content import Content
from .layout import linked_digest
from .link_metadata import (
    is_descriptor,
    is_of_another_type,
    parse_referrer,
    read_referrer,
    referrer_link,
    to_text,
)
from .links import announce_removal, is_removed, put_link, read_link
from .membership import Membership
from .paging import invalid_token

MAX_REFERRERS = 1000
"""On one page."""

# The answer is an image index, and no larger than the 4 MiB that clients accept of one.
_PAGE_BYTES = 4 * 2**20 - 1024
_READ_AT_ONCE = 8
# More than one only where storage's pages are short, or empty.
_MOST_LISTINGS = 8
# The least that a descriptor takes in a fallback index.
_DESCRIPTOR_BYTES = 128
# A descriptor says what its manifest says, in no more bytes, and besides that its digest and size.
_MAX_ENTRY_BYTES = MAX_MANIFEST_BYTES + 1024
# Of an entry that does not say how large its manifest is.
_USUAL_MANIFEST_BYTES = 64 * 2**10


@dataclass
class Referrers:
    """`Lister`'s referrers over the object store, and the entries that pushes write for it."""

    membership: Membership
    content: Content

    async def add(self, repository: str, manifest: Manifest) -> None:
        """Enter a manifest in its subject's list, if it has a subject. One call."""
        path = self._entry(repository, manifest)
        if path is None:
            return
        referrer = describe_referrer(manifest)
        link = await off_loop(len(manifest.content), referrer_link, referrer)
        await put_link(self.membership.store, path, link)

    async def look(self, repository: str, manifest: Manifest) -> Properties | None:
        """Return a manifest's entry in its subject's list; None without one. One call."""
        path = self._entry(repository, manifest)
        if path is None:
            return None
        try:
            return await self.membership.store.head(path)
        except NotFound:
            return None

    async def is_kept(self, repository: str, manifest: Manifest) -> bool:
        """Return whether a manifest's entry is there, and not about to be removed. One call.

        True for a manifest without a subject, without a call.
        """
        if manifest.document.subject is None:
            return True
        entry = await self.look(repository, manifest)
        return entry is not None and not is_removed(entry)

    async def announce_removal(self, repository: str, manifest: Manifest) -> str | None:
        """Note in a manifest's entry that it is about to be removed. Two calls.

        So a push at the same time, which writes it without the note, finds out. Return the entry's
        ETag; None without an entry.

        :raises StoreUnavailable: others write it again and again.
        """
        path = self._entry(repository, manifest)
        if path is None:
            return None
        try:
            return (await announce_removal(self.membership.store, path)).etag
        except NotFound:
            return None

    async def remove(self, repository: str, manifest: Manifest, etag: str) -> bool:
        """Remove the entry that has the ETag; return False if it was written since. One call."""
        path = self._entry(repository, manifest)
        assert path is not None, "it has no entry"
        return await delete_if(self.membership.store, path, if_match(etag))

    def _entry(self, repository: str, manifest: Manifest) -> str | None:
        """Return the path of a manifest's entry in its subject's list; None without a subject."""
        subject = manifest.document.subject
        if subject is None:
            return None
        return self.membership.layout.referrer_link(repository, subject.digest, manifest.digest)

    async def list_referrers(
        self, repository: str, subject: Digest, artifact_type: str | None, page: PageQuery
    ) -> Listing[Descriptor]:
        """See `Lister`. One listing and one get at the same time.

        One more get for the fallback index if there is one, and for each entry whose metadata do
        not have its descriptor; one HEAD for each manifest that only the fallback index has. A page
        ends where these exceed `_Budget`, and may be empty.
        """
        start = _Position.parse(page.token)
        limit = MAX_REFERRERS if page.n is None else min(page.n, MAX_REFERRERS)
        if not limit:
            return Listing(())
        # With a filter it takes any number of rows to find `limit` that match.
        rows = limit if artifact_type is None else MAX_REFERRERS
        try:
            listed, fallback = await both(
                self._list_entries(repository, subject, start.continuation, rows),
                self._read_fallback(repository, subject),
            )
        except ContinuationInvalid:
            raise invalid_token() from None
        size = len(fallback.entries) * _DESCRIPTOR_BYTES
        found = await off_loop(size, _between, fallback, listed, start.after)
        entries, cut = await self._pick(repository, found, artifact_type, limit)
        if cut is not None:
            following = _Position(start.continuation, cut)
        elif listed.continuation is not None:
            following = _Position(listed.continuation, listed.end(start.after))
        else:
            return Listing(entries)
        return Listing(entries, PageQuery(page.n, token=following.token))

    async def _list_entries(
        self, repository: str, subject: Digest, continuation: str | None, limit: int
    ) -> _Part:
        """Return ``limit`` entries, or all that are left, or those of `_MOST_LISTINGS` calls."""
        prefix = self.membership.layout.referrers(repository, subject)
        part = _Part(continuation=continuation)
        for _ in range(_MOST_LISTINGS):
            page = await self.membership.store.list_page(
                prefix,
                metadata=True,
                continuation=part.continuation,
                limit=limit - len(part.entries),
            )
            part.continuation = page.continuation
            for row in page.entries:
                digest = linked_digest(row.path[len(prefix) :])
                if digest and row.properties:
                    part.entries[digest] = _Entry(row.path, row.properties)
            if part.continuation is None or len(part.entries) == limit:
                break
        return part

    async def _read_fallback(self, repository: str, subject: Digest) -> _Part:
        path = self.membership.layout.tag_link(repository, fallback_tag(subject))
        try:
            link = await read_link(self.membership.store, path)
            index = await self._read(link.digest)
        except (NotFound, ManifestInvalid):
            return _Part()  # no such tag, as a rule; or it is used for something else
        return await off_loop(index.descriptor.size, _listed_in, index)

    async def _read(self, digest: Digest) -> Manifest:
        """:raises NotFound, ManifestInvalid:"""
        content = await self.content.read_manifest(digest)
        return await off_loop(len(content), parse_manifest, content, digest=digest)

    async def _pick(
        self,
        repository: str,
        found: Sequence[tuple[Digest, _Entry]],
        artifact_type: str | None,
        limit: int,
    ) -> tuple[tuple[Descriptor, ...], Digest | None]:
        """Return what matches and fits in one answer, and where it was cut; None if it was not."""

        async def resolve(item: tuple[Digest, _Entry]) -> Descriptor | None:
            return await self._resolve(repository, *item, artifact_type)

        picked: list[Descriptor] = []
        size = start = 0
        budget = _Budget()
        while start < len(found):
            batch = budget.take(found[start : start + _READ_AT_ONCE], artifact_type)
            if not batch:
                return tuple(picked), found[start - 1][0]
            start += len(batch)
            for referrer in await for_each(batch, resolve, limit=_READ_AT_ONCE):
                if referrer is None:
                    continue
                size += _size_in_list(referrer)
                if picked and (len(picked) == limit or size > _PAGE_BYTES):
                    return tuple(picked), picked[-1].digest
                picked.append(referrer)
        return tuple(picked), None

    async def _resolve(
        self, repository: str, digest: Digest, entry: _Entry, artifact_type: str | None
    ) -> Descriptor | None:
        """Return the entry's descriptor; None if it is of another type, or the manifest is gone."""
        if entry.is_of_another_type(artifact_type):
            return None
        try:
            referrer = entry.referrer or await self._describe(digest, entry)
            if artifact_type not in (None, referrer.artifact_type):
                return None
            if entry.properties is None:  # clients leave their old index when they find this API
                await self.membership.find_manifest(repository, digest)
        except (NotFound, ManifestInvalid):
            return None
        return referrer

    async def _describe(self, digest: Digest, entry: _Entry) -> Descriptor:
        """Return the descriptor of an entry of our own, from wherever it has it.

        :raises NotFound, ManifestInvalid: the manifest is gone, or not valid.
        """
        properties = entry.properties
        assert properties is not None, "an entry of a fallback index is a descriptor"
        if (referrer := read_referrer(digest, properties)) is not None:
            return referrer
        if is_descriptor(properties):
            with suppress(TooLarge, ManifestInvalid):  # a repair has rewritten it meanwhile
                found = await self.membership.store.get(entry.path, limit=_MAX_ENTRY_BYTES)
                size = len(found.content)
                return await off_loop(size, parse_referrer, digest, found.content)
        return describe_referrer(await self._read(digest))


def _size_in_list(referrer: Descriptor) -> int:
    """Return the bytes that the descriptor takes in the answer, its comma included."""
    return len(to_text(referrer.to_json()).encode()) + 1


@dataclass(frozen=True)
class _Entry:
    """An entry of our own has the properties of its link, one of a fallback index a descriptor.

    Entries that are ours are deleted with their manifest; those of a fallback index are not.
    """

    path: str = ""
    properties: Properties | None = None
    referrer: Descriptor | None = None

    def is_of_another_type(self, artifact_type: str | None) -> bool:
        """Whether it is known, without a call, to have another artifact type than this."""
        if artifact_type is None:
            return False
        if self.referrer is not None:
            return self.referrer.artifact_type != artifact_type
        return self.properties is not None and is_of_another_type(self.properties, artifact_type)

    @property
    def bytes_to_read(self) -> int | None:
        """The bytes that a call for the descriptor has to read; None without a call."""
        if self.properties is None:
            return 0
        metadata = self.properties.metadata
        if "annotations" in metadata:
            return None
        if is_descriptor(self.properties):
            return min(self.properties.size, _MAX_ENTRY_BYTES)
        size = metadata.get("size", "")  # the manifest's
        return min(int(size), _MAX_ENTRY_BYTES) if size.isdecimal() else _USUAL_MANIFEST_BYTES


@dataclass
class _Budget:
    """What a page may still read besides the listing; bounded, since any puller may request it.

    Entries of our own hold their descriptors, so that they cost no more than they bring to the
    page. Those that earlier versions wrote, or that lost their metadata, cost their manifest.
    """

    calls: int = 256
    bytes: int = 2 * _MAX_ENTRY_BYTES

    def take(
        self, items: Sequence[tuple[Digest, _Entry]], artifact_type: str | None
    ) -> Sequence[tuple[Digest, _Entry]]:
        """Return the first of the items, as many as there is budget for.

        At first there is enough for any.
        """
        for index, (_, entry) in enumerate(items):
            size = None if entry.is_of_another_type(artifact_type) else entry.bytes_to_read
            if size is not None and not self._spend(size):
                return items[:index]
        return items

    def _spend(self, size: int) -> bool:
        if self.calls < 1 or self.bytes < size:
            return False
        self.calls, self.bytes = self.calls - 1, self.bytes - size
        return True


@dataclass
class _Part:
    """A part of a list, by digest, and storage's continuation after it."""

    entries: dict[Digest, _Entry] = field(default_factory=dict)
    continuation: str | None = None

    def end(self, start: Digest | None) -> Digest | None:
        """Return the last digest of this part, which began after ``start``."""
        return max(self.entries, default=start)


def _listed_in(index: Manifest) -> _Part:
    """:raises ManifestInvalid: it is not a valid manifest."""
    return _Part({found.digest: _Entry(referrer=found) for found in index.document.manifests})


def _between(
    fallback: _Part, listed: _Part, after: Digest | None
) -> Sequence[tuple[Digest, _Entry]]:
    """Merge both parts after ``after``, as far as ``listed`` goes: no page repeats another's.

    Sorted by digest.
    """
    end = listed.end(after)
    found = [
        (digest, entry)
        for digest, entry in (fallback.entries | listed.entries).items()
        if (after is None or digest > after)
        and (listed.continuation is None or (end is not None and digest <= end))
    ]
    return sorted(found, key=itemgetter(0))


@dataclass(frozen=True)
class _Position:
    """Where a page begins: at a continuation of storage's, and after which digest from there."""

    continuation: str | None = None
    after: Digest | None = None

    @property
    def token(self) -> str:
        after = None if self.after is None else str(self.after)
        return urlsafe_b64encode(json.dumps([self.continuation, after]).encode()).decode()

    @classmethod
    def parse(cls, token: str | None) -> _Position:
        """:raises PaginationNumberInvalid:"""
        if token is None:
            return cls()
        try:
            match json.loads(urlsafe_b64decode(token.encode())):
                case [str() | None as continuation, None]:
                    return cls(continuation)
                case [str() | None as continuation, str(after)]:
                    return cls(continuation, Digest.parse(after))
        except (ValueError, RecursionError, DigestInvalid):
            pass  # refused below
        raise invalid_token()
