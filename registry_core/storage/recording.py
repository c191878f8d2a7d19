"""Recording deletions: what the record of one says, gathered before anything is deleted."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from ..aio import for_each, off_loop
from ..object_store.errors import NotFound, StoreRefused
from ..object_store.interface import Properties
from ..spec.digest import SHA256, Digest
from ..spec.errors import ManifestInvalid
from ..spec.manifest import Manifest, detect_media_type, parse_manifest
from ..spec.named_digests import named_digests
from ..spec.names import is_settable_tag
from .content import Content
from .link_metadata import read_pushed_by
from .links import Link, read_link
from .membership import Membership
from .trash import Trash, TrashKind, TrashRecord
from .trash_record import MOST_TAGS

_AT_ONCE = 16


@dataclass(frozen=True)
class Recorded:
    """A record that was written for a deletion, and the ETag that it has."""

    id: str
    etag: str


@dataclass
class Recorder:
    """Writes the records of deletions.

    ``trash`` is None where deletions leave no record. ``deleted_by`` and ``reason`` as in
    `TrashRecord`.
    """

    membership: Membership
    content: Content
    trash: Trash | None = None
    deleted_by: str = ""
    reason: str = ""

    async def manifest(
        self, repository: str, link: Link, content: bytes | None, tags: Sequence[str]
    ) -> Recorded | None:
        """Record that a manifest is about to be deleted, and with it ``tags``. One call.

        One more for each blob of another algorithm than sha256, unless cached.

        :param link: its revision link. :param content: None if it cannot be read.
        """
        return await self._put(TrashKind.MANIFEST, repository, link, content, tags)

    async def tag(self, repository: str, tag: str, link: Link) -> Recorded | None:
        """Record that a tag is about to be deleted. One call; two if its manifest is not cached.

        :param link: to its manifest.
        """
        if self.trash is None:
            return None
        content: bytes | None = None
        with suppress(NotFound, StoreRefused):  # damaged; archived
            content = await self.content.read_manifest(link.digest)
        return await self._put(TrashKind.TAG, repository, link, content, [tag])

    async def blob(
        self, repository: str, digest: Digest, path: str, found: Properties
    ) -> Recorded | None:
        """Record that a layer link is about to be deleted. One call.

        One more for a link of another algorithm than sha256 that another registry wrote.

        :param found: the link at ``path``.
        """
        if self.trash is None:
            return None
        link, aliases = Link(digest).described_by(found), {}
        if link.size is None and digest.algorithm != SHA256:
            with suppress(NotFound):
                aliases = _alias(digest, (await read_link(self.membership.store, path)).digest)
        ident, deleted = self.trash.new_id()
        record = TrashRecord(
            ident,
            TrashKind.BLOB,
            repository,
            digest,
            deleted,
            link.media_type,
            link.size,
            digests=frozenset({digest, *aliases.values()}),
            aliases=aliases,
            deleted_by=self.deleted_by,
            reason=self.reason,
        )
        return Recorded(ident, await self.trash.put(record))

    async def withdraw(self, recorded: Recorded | None) -> None:
        """Delete the record of a deletion that has deleted nothing. One call."""
        if self.trash is not None and recorded is not None:
            await self.trash.withdraw(recorded.id, recorded.etag)

    async def _put(
        self,
        kind: TrashKind,
        repository: str,
        link: Link,
        content: bytes | None,
        tags: Sequence[str],
    ) -> Recorded | None:
        if self.trash is None:
            return None
        digest, media_type, size = link.digest, link.media_type, link.size
        digests, subject, aliases = frozenset({digest}), None, dict[Digest, Digest]()
        if content is not None:
            size = len(content)
            said = await off_loop(size, _read, digest, content)
            media_type, digests = media_type or said.media_type, digests | said.digests
            if said.manifest is not None:
                aliases = await self._aliases(repository, said.manifest)
                of = said.manifest.document.subject
                subject = of.digest if of else None
        ident, deleted = self.trash.new_id()
        record = TrashRecord(
            ident,
            kind,
            repository,
            digest,
            deleted,
            media_type,
            size,
            tuple(sorted(filter(is_settable_tag, tags))[:MOST_TAGS]),
            subject,
            digests | frozenset(aliases.values()),
            aliases,
            self.deleted_by,
            self.reason,
            read_pushed_by(link.extra) or "",
        )
        return Recorded(ident, await self.trash.put(record))

    async def _aliases(self, repository: str, manifest: Manifest) -> dict[Digest, Digest]:
        """Return the other digests that blobs of a manifest are kept under, where they have any."""
        others = {
            blob.digest for blob in manifest.document.blobs if blob.digest.algorithm != SHA256
        }

        async def look(digest: Digest) -> dict[Digest, Digest]:
            with suppress(NotFound):
                found = await self.membership.find_blob(repository, digest)
                return _alias(digest, found.content)
            return {}

        aliases: dict[Digest, Digest] = {}
        for found in await for_each(sorted(others), look, limit=_AT_ONCE):
            aliases |= found
        return aliases


@dataclass(frozen=True)
class _Said:
    """What the content of a manifest says. ``manifest``: None if a push would refuse it."""

    digests: frozenset[Digest] = frozenset()
    media_type: str | None = None
    manifest: Manifest | None = None


def _read(digest: Digest, content: bytes) -> _Said:
    try:
        digests = named_digests(content)
    except ManifestInvalid:
        return _Said()
    media_type, manifest = None, None
    with suppress(ManifestInvalid):
        media_type = detect_media_type(content)
        manifest = parse_manifest(content, digest=digest)
    return _Said(digests, media_type, manifest)


def _alias(digest: Digest, content: Digest) -> dict[Digest, Digest]:
    return {} if content == digest else {digest: content}
