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
from dataclasses import dataclass, field
from operator import itemgetter

from ..aio import both, for_each, off_loop
from ..object_store.interface import ContinuationInvalid, NotFound, Properties, delete_if, if_match
from ..registry import Listing
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.endpoints import PageQuery
from ..spec.errors import DigestInvalid, ManifestInvalid
from ..spec.manifest import Manifest, parse_manifest
from .content import Content
from .layout import linked_digest
from .link_metadata import describe_referrer, read_referrer, referrer_link, to_text
from .links import put_link, read_link
from .membership import Membership
from .paging import invalid_token

MAX_REFERRERS = 1000
"""On one page."""

# The answer is an image index, and no larger than the 4 MiB that clients accept of one.
_PAGE_BYTES = 4 * 2**20 - 1024
_READ_AT_ONCE = 8
# The least that a descriptor takes in a fallback index.
_DESCRIPTOR_BYTES = 128


@dataclass
class Referrers:
    """`Lister`'s referrers over the object store, and the entries that pushes write for it."""

    membership: Membership
    content: Content

    async def add(self, repository: str, manifest: Manifest) -> None:
        """Enter a manifest in its subject's list, if it has a subject. One call."""
        subject = manifest.document.subject
        if subject is None:
            return
        path = self.membership.layout.referrer_link(repository, subject.digest, manifest.digest)
        referrer = describe_referrer(manifest)
        link = await off_loop(len(manifest.content), referrer_link, referrer)
        await put_link(self.membership.store, path, link)

    async def look(self, repository: str, manifest: Manifest) -> str | None:
        """Return the ETag of a manifest's entry in its subject's list; None without. One call."""
        subject = manifest.document.subject
        if subject is None:
            return None
        path = self.membership.layout.referrer_link(repository, subject.digest, manifest.digest)
        try:
            return (await self.membership.store.head(path)).etag
        except NotFound:
            return None

    async def remove(self, repository: str, manifest: Manifest, etag: str) -> None:
        """Remove the entry that `look` found, unless it was written again since. One call."""
        subject = manifest.document.subject
        assert subject is not None, "it has no entry"
        path = self.membership.layout.referrer_link(repository, subject.digest, manifest.digest)
        await delete_if(self.membership.store, path, if_match(etag))

    async def list_referrers(
        self, repository: str, subject: Digest, artifact_type: str | None, page: PageQuery
    ) -> Listing[Descriptor]:
        """See `Lister`. One listing and one get at the same time.

        One more get for the fallback index if there is one, and for each entry that does not hold
        its descriptor; one HEAD for each manifest that only the fallback index has.
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
        """Return ``limit`` entries, or all that are left, however short storage's pages are."""
        prefix = self.membership.layout.referrers(repository, subject)
        part = _Part(continuation=continuation)
        while True:
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
                    part.entries[digest] = _Entry(properties=row.properties)
            if part.continuation is None or len(part.entries) == limit:
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
        size = 0
        for start in range(0, len(found), _READ_AT_ONCE):
            batch = found[start : start + _READ_AT_ONCE]
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
        referrer = entry.referrer
        if entry.properties is not None:
            referrer = read_referrer(digest, entry.properties)
        try:
            if referrer is None:
                referrer = describe_referrer(await self._read(digest))
            if artifact_type not in (None, referrer.artifact_type):
                return None
            if entry.properties is None:  # clients leave their old index when they find this API
                await self.membership.find_manifest(repository, digest)
        except (NotFound, ManifestInvalid):
            return None
        return referrer


def fallback_tag(subject: Digest) -> str:
    """Return the tag of the index that clients keep themselves: "Referrers Tag Schema"."""
    return f"{subject.algorithm[:32]}-{subject.hex[:64]}"


def _size_in_list(referrer: Descriptor) -> int:
    """Return the bytes that the descriptor takes in the answer, its comma included."""
    return len(to_text(referrer.to_json()).encode()) + 1


@dataclass(frozen=True)
class _Entry:
    """An entry of our own has the properties of its link, one of a fallback index a descriptor.

    Entries that are ours are deleted with their manifest; those of a fallback index are not.
    """

    referrer: Descriptor | None = None
    properties: Properties | None = None


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
    return _Part({found.digest: _Entry(found) for found in index.document.manifests})


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
