"""Restoring: a deletion is undone by pushing again what its record names.

First everything that is needed is looked at, and observed, so that no collection of garbage takes
it meanwhile; if something is gone, nothing is written. Then come, in the order of a push, the layer
links that are missing, the manifests that an index lists, the manifest, its tags, its referrers,
and at last the records go. The push itself is that of `Manifests`, so that it meets deletions and
other pushes as any push does. A restoration that was cut off can be repeated.

Nothing that came since is overwritten: a tag that exists by now stays as it is.

What is restored counts as pushed now, by whoever had pushed it: otherwise retention would let it go
again at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..aio import for_each, off_loop
from ..object_store.errors import NotFound, TooLarge, contended
from ..object_store.interface import delete_if, if_match
from ..spec.digest import Digest
from ..spec.errors import ManifestBlobUnknown, ManifestInvalid
from ..spec.image_config import MAX_BYTES, ImageConfig, parse_image_config
from ..spec.manifest import Manifest, parse_manifest
from ..spec.media_types import MANIFESTS
from ..spec.preconditions import ETags, Precondition, PreconditionFailed
from ..spec.references import fallback_tag
from .links import Link, put_link
from .manifests import Manifests
from .tag_rows import TagListing
from .trash import Trash, TrashEntry, TrashKind, TrashRecord, TrashUnknown, TrashUnreadable

_AT_ONCE = 16
# How often a tag is set that others set and delete at the same time.
_ATTEMPTS = 8
# How many missing digests an error names.
_MOST_NAMED = 5

# A tag of a referrer without a subject, as cosign makes them: sha256-<hex>.sig, for example.
_OF_SUBJECT = re.compile(r"sha(?:256|512)-[0-9a-f]{64}(?:\..+)?")

_IF_NONE = Precondition(if_none_match=ETags(any=True))


class CannotRestore(ManifestBlobUnknown):
    """What a record names is not in storage any more. The text names what; nothing was written."""


@dataclass(frozen=True)
class Restored:
    """A record whose deletion was undone.

    :ivar tags: those of its tags that point to the manifest again.
    :ivar kept: those that exist by now, and stay as they are, with what they point to.
    """

    record: TrashRecord
    tags: tuple[str, ...] = ()
    kept: Mapping[str, Digest] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Restoration:
    """What was restored, in this order, and the records of referrers that could not be, and why."""

    restored: tuple[Restored, ...]
    left: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class _BlobLink:
    """A layer link to write. ``content``: the digest that the blob's bytes are stored under."""

    digest: Digest
    content: Digest


@dataclass(frozen=True)
class _Step:
    """A record to undo. ``etag``: its own, after it was touched; ``manifest``: None of a blob."""

    record: TrashRecord
    etag: str
    links: Sequence[_BlobLink] = ()
    manifest: Manifest | None = None


class _Gone(Exception):
    """Something that a record needs is gone."""

    def __init__(self, what: Sequence[str]) -> None:
        super().__init__()
        self.what = what


@dataclass
class Restoring:
    """Undoes deletions. ``manifests`` pushes."""

    manifests: Manifests
    trash: Trash

    async def restore(self, ident: str, *, with_referrers: bool = True) -> Restoration:
        """Undo a deletion.

        The deletions of what it needs are undone, too: of the manifests that an index lists, of the
        manifest that a tag points to. So are those of its referrers, and of theirs.

        :param with_referrers: whether referrers are restored.
        :raises TrashUnknown: the record does not exist.
        :raises TrashUnreadable: it is damaged.
        :raises CannotRestore: something that it names is gone.
        :raises ManifestInvalid: the manifest is one that this registry does not accept.
        """
        run = _Run(self.manifests, self.trash, with_referrers)
        try:
            steps = await run.plan(ident)
        except _Gone as error:
            raise CannotRestore(f"{ident} cannot be restored: {_name(error.what)}") from None
        restored = [await run.perform(step) for step in steps]
        for step in steps:  # one that is being restored again by now stays
            await self.trash.discard(step.record.id, step.etag)
        return Restoration(tuple(restored), run.left)


@dataclass
class _Listed:
    """The records of a repository, as far as a restoration may need them: their ids.

    :ivar manifests: the newest one of each manifest.
    :ivar referrers: those of referrers, by the fallback tag of their subject.
    """

    manifests: dict[Digest, str] = field(default_factory=dict)
    referrers: dict[str, list[str]] = field(default_factory=dict)

    def add(self, entry: TrashEntry) -> None:
        """Note a record that is newer than all so far."""
        if entry.kind is TrashKind.MANIFEST and entry.digest is not None:
            self.manifests[entry.digest] = entry.id
        subjects = {tag.partition(".")[0] for tag in entry.tags if _OF_SUBJECT.fullmatch(tag)}
        if entry.subject is not None:
            subjects.add(fallback_tag(entry.subject))
        for subject in subjects:
            self.referrers.setdefault(subject, []).append(entry.id)

    def of_referrers(self, subject: Digest) -> Sequence[str]:
        """Return the records of a manifest's referrers."""
        return self.referrers.get(fallback_tag(subject), ())


@dataclass
class _Run:
    """One restoration."""

    manifests: Manifests
    trash: Trash
    with_referrers: bool
    left: dict[str, str] = field(default_factory=dict)
    _planned: set[str] = field(default_factory=set)
    _listed: _Listed | None = None

    def __post_init__(self) -> None:
        self._membership = self.manifests.membership
        self._references = self.manifests.references
        self._tags = TagListing(self._membership.store, self._membership.layout)

    async def plan(self, ident: str) -> list[_Step]:
        """Return what has to be done to undo a deletion; look at all that it needs.

        :raises _Gone: something is gone.
        """
        if ident in self._planned:
            return []
        self._planned.add(ident)
        record, etag = await self.trash.touch(ident)
        if record.kind is TrashKind.BLOB:
            return [_Step(record, etag, await self._blob_links(record, [record.digest]))]
        if record.kind is TrashKind.TAG and not await self._has(record.repository, record.digest):
            before = await self._plan_deleted(record.repository, record.digest)
            return [*before, _Step(record, etag, manifest=await self._read(record))]
        manifest = await self._read(record)
        before, links = await self._plan_references(record, manifest)
        steps = [*before, _Step(record, etag, links, manifest)]
        if record.kind is TrashKind.MANIFEST and self.with_referrers:
            steps += await self._plan_referrers(record)
        return steps

    async def _plan_deleted(self, repository: str, digest: Digest) -> list[_Step]:
        """Return what brings back a manifest that the repository lacks.

        :raises _Gone: no record of it is left, or something that it needs is gone.
        """
        newest = (await self._records(repository)).manifests.get(digest)
        if newest is None:
            raise _Gone([f"the manifest {digest}, of which the trash has no record"])
        try:
            return await self.plan(newest)
        except (TrashUnknown, TrashUnreadable) as error:
            raise _Gone([str(error)]) from None

    async def _read(self, record: TrashRecord) -> Manifest:
        """Return the manifest of a record, after its content was observed.

        :raises _Gone: it is gone or damaged.
        :raises ManifestInvalid: it is not one that could be pushed.
        """
        digest = record.digest
        try:
            await self._membership.observe_content(digest)
            content = await self.manifests.content.read_manifest(digest)
        except NotFound:
            raise _Gone([f"the content of the manifest {digest}"]) from None
        try:
            manifest = await off_loop(
                len(content), parse_manifest, content, record.media_type, digest=digest
            )
            await self._references.check_acceptable(manifest)
        except ManifestInvalid as error:
            raise ManifestInvalid(
                f"{record.id} cannot be restored: this registry does not accept it: {error}"
            ) from None
        return manifest

    async def _plan_references(
        self, record: TrashRecord, manifest: Manifest
    ) -> tuple[list[_Step], list[_BlobLink]]:
        """Return what brings back the manifests that an index lists, and the missing layer links.

        :raises _Gone: some of what is needed is gone.
        """
        document = manifest.document
        steps, gone, links = list[_Step](), list[str](), list[_BlobLink]()
        blobs = {blob.digest: None for blob in document.required_blobs}
        for child in {child.digest: child for child in document.manifests}.values():
            if await self._has(record.repository, child.digest):
                continue
            if child.media_type not in MANIFESTS:  # a blob, as in BuildKit's caches
                blobs[child.digest] = None
                continue
            try:
                steps += await self._plan_deleted(record.repository, child.digest)
            except _Gone as error:
                if self._references.require_children:
                    gone += error.what
        try:
            links += await self._blob_links(record, list(blobs))
        except _Gone as error:
            gone += error.what
        if gone:
            raise _Gone(gone)
        return steps, links

    async def _has(self, repository: str, digest: Digest) -> bool:
        """Return whether a repository has a manifest, or a blob that an index lists."""
        for verify in (self._membership.verify_manifest, self._membership.verify_blob):
            try:
                await verify(repository, digest, "")
            except NotFound:
                continue
            return True
        return False

    async def _blob_links(self, record: TrashRecord, digests: Sequence[Digest]) -> list[_BlobLink]:
        """Return the layer links that are missing.

        A repository that never had a blob must not get it: where manifests may name blobs that
        their repository lacks, only the record of the blob itself shows that it had it.

        :raises _Gone: the content of some blobs is gone.
        """

        async def look(digest: Digest) -> _BlobLink | str | None:
            try:
                await self._membership.verify_blob(record.repository, digest, "")
            except NotFound:
                content = record.aliases.get(digest, digest)
            else:
                return None
            try:
                await self._membership.observe_content(content)
            except NotFound:
                return f"the content of the blob {digest}"
            return _BlobLink(digest, content)

        if not self._references.require_blobs and record.kind is not TrashKind.BLOB:
            return []
        found = await for_each(digests, look, limit=_AT_ONCE)
        if gone := [each for each in found if isinstance(each, str)]:
            raise _Gone(gone)
        return [each for each in found if isinstance(each, _BlobLink)]

    async def _plan_referrers(self, record: TrashRecord) -> list[_Step]:
        """Return what brings back the referrers of a manifest; note those that cannot be."""
        steps: list[_Step] = []
        for ident in (await self._records(record.repository)).of_referrers(record.digest):
            before = set(self._planned)
            try:
                steps += await self.plan(ident)
            except _Gone as error:
                self.left[ident] = _name(error.what)
            except (ManifestInvalid, TrashUnknown, TrashUnreadable) as error:
                self.left[ident] = str(error)
            else:
                continue
            self._planned = before
        return steps

    async def _records(self, repository: str) -> _Listed:
        """Return the records of the repository, listed once. A restoration has one repository."""
        if self._listed is None:
            self._listed = _Listed()
            async for entry in self.trash.list(repository):
                self._listed.add(entry)
        return self._listed

    async def perform(self, step: _Step) -> Restored:
        """Undo a deletion; what it needs is there."""
        record = step.record
        for link in step.links:
            await self._link(record.repository, link)
        if step.manifest is None:
            return Restored(record)
        manifests = replace(self.manifests, pushed_by=record.pushed_by)
        await manifests.push_manifest(record.repository, step.manifest)

        async def tag(name: str) -> Digest | None:
            assert step.manifest is not None
            return await self._tag(manifests, record.repository, step.manifest, name)

        found = await for_each(record.tags, tag, limit=_AT_ONCE)
        kept = {name: there for name, there in zip(record.tags, found, strict=True) if there}
        return Restored(record, tuple(tag for tag in record.tags if tag not in kept), kept)

    async def _link(self, repository: str, link: _BlobLink) -> None:
        """Make content a blob of the repository again."""
        membership = self._membership
        observed = membership.clock()
        size = await self._observe(link)
        if link.content == link.digest:
            image = await self._read_image(link.digest, size)
            await membership.link_blob(repository, link.digest, size, image, observed=observed)
            return
        path = membership.layout.blob_link(repository, link.digest)
        etag = await put_link(membership.store, path, Link(link.content))
        if not membership.is_recent(observed):
            try:
                await self._observe(link)
            except CannotRestore:
                await delete_if(membership.store, path, if_match(etag))
                raise

    async def _observe(self, link: _BlobLink) -> int:
        """Return the size of a blob's content.

        :raises CannotRestore: it is gone.
        """
        try:
            return await self._membership.observe_content(link.content)
        except NotFound:
            raise CannotRestore(
                f"the content of the blob {link.digest} was deleted meanwhile"
            ) from None

    async def _read_image(self, digest: Digest, size: int) -> ImageConfig | None:
        """Return what a small blob says if it is an image config."""
        if size > MAX_BYTES:
            return None
        try:
            path = self._membership.layout.content(digest)
            found = await self._membership.store.get(path, limit=MAX_BYTES)
        except (NotFound, TooLarge):
            return None
        return parse_image_config(found.content)

    async def _tag(
        self, manifests: Manifests, repository: str, manifest: Manifest, tag: str
    ) -> Digest | None:
        """Set a tag, unless it exists; return what it points to if that is another manifest."""
        for _ in range(_ATTEMPTS):
            try:
                await manifests.push_manifest(repository, manifest, [tag], _IF_NONE)
            except PreconditionFailed:
                pass
            else:
                return None
            rows = await self._tags.of_tag(repository, tag)
            there = await self._tags.target(repository, rows) if rows else None
            if there is not None:  # else it was deleted meanwhile
                return None if there == manifest.digest else there
        raise contended(self._membership.layout.tag_link(repository, tag))


def _name(what: Sequence[str]) -> str:
    more = len(what) - _MOST_NAMED
    named = "; ".join(what[:_MOST_NAMED])
    return f"gone: {named}" + (f"; and {more} more" if more > 0 else "")
