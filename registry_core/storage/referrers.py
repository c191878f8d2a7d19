"""Manifests that name another one as their subject, listed by it.

An entry is a link under ``_referrers/``, one put on push and one delete on deletion, so there is no
list that two writers could fight over. What clients wrote themselves under the fallback tag, for
registries that had no referrers, is merged in.

Source: OCI distribution-spec, "Listing Referrers", "Referrers Tag Schema" and "Enabling the
Referrers API".
"""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..aio import together
from ..object_store.interface import ContinuationInvalid, NotFound
from ..registry import Listing
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.endpoints import PageQuery
from ..spec.errors import DigestInvalid, ManifestInvalid, PaginationNumberInvalid
from ..spec.manifest import Manifest, parse_manifest
from .layout import linked_digest
from .membership import Shelf
from .referrer_entries import describe, metadata_of, read_content, read_metadata, size_in_list
from .small_objects import Link, put_link, read_link

MAX_REFERRERS = 1000
# The answer is an image index, and no larger than the 4 MiB that clients take of one.
_PAGE_BYTES = 4 * 2**20 - 1024
_READ_AT_ONCE = 8


@dataclass
class Referrers:
    """`Lister`'s referrers over the object store, and the entries that `Writer` leaves for it."""

    shelf: Shelf

    async def add(self, repository: str, link: Link, manifest: Manifest) -> None:
        """Enter a manifest in its subject's list, if it has a subject. One call."""
        if manifest.subject is None:
            return
        path = self.shelf.layout.referrer_link(repository, manifest.subject.digest, link.digest)
        metadata = metadata_of(link, describe(link, manifest))
        await put_link(self.shelf.store, path, link, metadata=metadata)

    async def remove(self, repository: str, digest: Digest, manifest: Manifest) -> None:
        """Take a manifest out of its subject's list, if it is there. One call."""
        if manifest.subject is None:
            return
        path = self.shelf.layout.referrer_link(repository, manifest.subject.digest, digest)
        try:
            await self.shelf.store.delete(path)
        except NotFound:
            return  # pushed by a registry that keeps no such list

    async def list_referrers(
        self, repository: str, subject: Digest, artifact_type: str | None, page: PageQuery
    ) -> Listing[Descriptor]:
        """Ordered by digest. One listing and one get at the same time.

        One more get for the fallback index if there is one, and for each entry that does not hold
        its descriptor; one HEAD for each manifest that the fallback index alone knows.

        :raises PaginationNumberInvalid: ``page.token`` is none that was given out.
        """
        start = _Position.parse(page.token)
        limit = MAX_REFERRERS if page.n is None else min(page.n, MAX_REFERRERS)
        if not limit:
            return Listing(())
        # With a filter it takes any number of rows to find `limit` that match.
        rows = limit if artifact_type is None else MAX_REFERRERS
        try:
            listed, fallback = await together(
                (
                    self._list_entries(repository, subject, start.continuation, rows),
                    self._read_fallback(repository, subject),
                )
            )
        except ContinuationInvalid:
            raise _not_given_out() from None
        found = _between(fallback, listed, start.after)
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
        prefix = self.shelf.layout.referrers(repository, subject)
        page = await self.shelf.store.list_page(
            prefix, metadata=True, continuation=continuation, limit=limit
        )
        part = _Part(continuation=page.continuation)
        for row in page.entries:
            digest = linked_digest(row.path[len(prefix) :])
            if digest and row.properties:
                part.entries[digest] = _Entry(read_metadata(digest, row.properties))
        return part

    async def _read_fallback(self, repository: str, subject: Digest) -> _Part:
        path = self.shelf.layout.tag_link(repository, fallback_tag(subject))
        try:
            link = await read_link(self.shelf.store, path)
            content = await self.shelf.read_content(link.digest)
            index = await asyncio.to_thread(parse_manifest, content)
        except (NotFound, ManifestInvalid):
            return _Part()  # no such tag, as a rule; or it is somebody's for another purpose
        return _Part({found.digest: _Entry(found, is_ours=False) for found in index.manifests})

    async def _pick(
        self,
        repository: str,
        found: Mapping[Digest, _Entry],
        artifact_type: str | None,
        limit: int,
    ) -> tuple[tuple[Descriptor, ...], Digest | None]:
        """What matches and fits in one answer; and where it was cut, None if it was not."""
        picked: list[Descriptor] = []
        size = 0
        digests = sorted(found)
        for start in range(0, len(digests), _READ_AT_ONCE):
            batch = digests[start : start + _READ_AT_ONCE]
            for referrer in await together(
                self._resolve(repository, digest, found[digest], artifact_type) for digest in batch
            ):
                if referrer is None:
                    continue
                size += size_in_list(referrer)
                if picked and (len(picked) == limit or size > _PAGE_BYTES):
                    return tuple(picked), picked[-1].digest
                picked.append(referrer)
        return tuple(picked), None

    async def _resolve(
        self, repository: str, digest: Digest, entry: _Entry, artifact_type: str | None
    ) -> Descriptor | None:
        """The entry's descriptor; None when it is of another type, or the manifest is gone."""
        referrer = entry.referrer
        try:
            if referrer is None:
                content = await self.shelf.read_content(digest)
                referrer = await asyncio.to_thread(read_content, digest, content)
            if referrer is None or artifact_type not in (None, referrer.artifact_type):
                return None
            if not entry.is_ours:  # clients that find this API leave their old index as it is
                await self.shelf.find_manifest(repository, digest)
        except NotFound:
            return None
        return referrer


def fallback_tag(subject: Digest) -> str:
    """The tag of the index that clients keep themselves: "Referrers Tag Schema"."""
    return f"{subject.algorithm[:32]}-{subject.hex[:64]}"


@dataclass(frozen=True)
class _Entry:
    """``referrer`` is None where the entry does not say enough: the manifest has to be read.

    Entries that are ours go when their manifest does.
    """

    referrer: Descriptor | None
    is_ours: bool = True


@dataclass
class _Part:
    """A part of a list, by digest, and where storage goes on."""

    entries: dict[Digest, _Entry] = field(default_factory=dict)
    continuation: str | None = None

    def end(self, start: Digest | None) -> Digest | None:
        """The last digest of this part, which began behind ``start``."""
        return max(self.entries, default=start)


def _between(fallback: _Part, listed: _Part, after: Digest | None) -> Mapping[Digest, _Entry]:
    """Both parts behind ``after``, as far as ``listed`` goes: so no page repeats another's."""
    end = listed.end(after)
    return {
        digest: entry
        for digest, entry in (fallback.entries | listed.entries).items()
        if (after is None or digest > after)
        and (listed.continuation is None or (end is not None and digest <= end))
    }


@dataclass(frozen=True)
class _Position:
    """Where a page begins: in storage's own terms, and behind which digest from there."""

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
        raise _not_given_out()


def _not_given_out() -> PaginationNumberInvalid:
    return PaginationNumberInvalid("the link to this page is not one that was given out")
