"""One manifest copied, with everything that it needs.

The order: blobs, then the manifests of an index, then the manifest itself, what is attached to it,
and at last its tags. So nothing at the target ever leads to something that is not there, and a tag
is not moved before everything is complete.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ..aio import for_each, off_loop
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.endpoints import Reference
from ..spec.errors import ErrorCode, ManifestUnknown, NameUnknown, RegistryError
from ..spec.manifest import Manifest
from ..spec.media_types import INDEXES
from ..spec.references import fallback_tag
from .blobs import BlobCopier
from .closure import Part, parts
from .errors import (
    SourceContentInvalid,
    SourceManifestInvalid,
    SourceManifestMissing,
    SparseIndexRefused,
)
from .manifests import SourceManifests
from .options import CopyOptions
from .place import Place, Source, Target
from .progress import Meter
from .referrers import Attachment, FallbackLists, SourceAttachments, list_referrers
from .report import Outcome, Tally
from .run import ATTEMPTS, CopyRun, Filled
from .selection import MAX_DEPTH, Chosen, select

MAX_MANIFESTS = 10_000
"""The most manifests that one manifest may lead to, with all that is attached to them."""

_NOTHING_CHOSEN: Chosen = {}


# The codes by which a registry says that it lacks what a manifest references. distribution puts
# others before them if a manifest that is referenced is pushed again at the same time.
_INCOMPLETE = frozenset(
    {ErrorCode.MANIFEST_BLOB_UNKNOWN, ErrorCode.MANIFEST_UNKNOWN, ErrorCode.BLOB_UNKNOWN}
)


def _is_incomplete(error: RegistryError) -> bool:
    """Return whether a target refuses a manifest because it lacks what that references."""
    return any(entry.code in _INCOMPLETE for entry in error.errors)


class ManifestCopier:
    """Copies manifests from one place to another."""

    def __init__(
        self,
        source: Place[Source],
        target: Place[Target],
        options: CopyOptions,
        *,
        run: CopyRun,
        tally: Tally,
        meter: Meter,
    ) -> None:
        self._source = source
        self._target = target
        self._options = options
        self._run = run
        self._tally = tally
        self._manifests = SourceManifests(source, run.fetched)
        self._blobs = BlobCopier(source, target, run, tally, meter)
        self._fallback_lists = FallbackLists(target, run)

    async def copy(self, reference: Reference, tags: Sequence[str]) -> Digest:
        """Copy a manifest, set tags to it, and return its digest.

        Of an image index for one platform, that is the digest of the manifest for it.

        :raises RegistryError: what the source or the target refuse; see `errors` for the others.
        """
        found = await self._manifests.resolve(reference)
        selection = await select(self._manifests, found, self._options.platforms)
        await self._copy(selection.root, tags, selection.chosen)
        return selection.root.digest

    async def copy_list(self, tag: str) -> bool:
        """Copy the referrers that the index under a fallback tag lists, instead of the index.

        A target that keeps such lists by itself needs no index; for any other one, the index is
        written as entries are copied. Returns False if what the tag points to is not such a list.
        """
        found = await self._manifests.resolve(tag)
        if found.media_type not in INDEXES:
            return False
        index = await self._manifests.get(found)
        attachments = SourceAttachments(self._source, self._manifests)
        referrers = await for_each(
            index.document.manifests, attachments.referrer, limit=self._options.parallel
        )
        subjects = {
            subject.digest for each in referrers if each and (subject := each.document.subject)
        }
        matching = {subject for subject in subjects if fallback_tag(subject) == tag}
        for digest in matching:
            await self._copy_attachments([Descriptor(found.media_type, digest, 0)])
        return bool(matching)

    async def _copy(self, root: Descriptor, tags: Sequence[str], chosen: Chosen) -> None:
        stale = await self._stale(root.digest, tags)
        has_attachments = self._options.referrers
        reached = await self._ensure(
            root,
            chosen,
            () if has_attachments else stale,
            is_there=len(stale) < len(set(tags)),
        )
        if has_attachments:
            await self._copy_attachments(reached)
        await self._set_tags(root, stale, chosen)
        self._note_tags(root, tags, stale)

    def _note_tags(self, root: Descriptor, tags: Iterable[str], stale: Collection[str]) -> None:
        for tag in tags:
            found = self._tally.tags if tag in stale else self._tally.present_tags
            found[tag] = root.digest

    async def _stale(self, digest: Digest, tags: Iterable[str]) -> list[str]:
        """Return those of the tags that do not point to a digest yet."""

        async def is_stale(tag: str) -> bool:
            return await self._resolve(tag) != digest

        unique = list(dict.fromkeys(tags))
        found = await for_each(unique, is_stale, limit=self._options.parallel)
        return [tag for tag, stale in zip(unique, found, strict=True) if stale]

    async def _resolve(self, reference: Reference) -> Digest | None:
        """Return the digest that the target has for a reference; None if it has none."""
        try:
            found = await self._target.registry.resolve_manifest(self._target.repository, reference)
        except (ManifestUnknown, NameUnknown):
            return None
        return found.digest

    async def _ensure(
        self,
        wanted: Descriptor,
        chosen: Chosen,
        tags: Sequence[str] = (),
        *,
        depth: int = 0,
        is_there: bool = False,
    ) -> tuple[Descriptor, ...]:
        """Make a manifest, with all that it needs, one of the target, unless it is.

        Returns the manifests that it leads to, itself first. Each is copied once in a run; the
        tags are set by whoever copies it, and by nobody if it has been copied.

        :param is_there: the target is known to have it; False: that is not known.
        """
        scope = (
            frozenset(chosen.items()) if wanted.digest in chosen else None,
            self._options.referrers,
        )
        return await self._run.manifests.get(
            Filled.of(self._target, wanted.digest, scope),
            lambda: self._copy_once(wanted, chosen, tags, depth, is_there),
        )

    async def _copy_once(
        self,
        wanted: Descriptor,
        chosen: Chosen,
        tags: Sequence[str],
        depth: int,
        is_there: bool,  # noqa: FBT001 - one caller
    ) -> tuple[Descriptor, ...]:
        if depth > MAX_DEPTH:
            raise SourceManifestInvalid(
                f"{self._source} has indexes more than {MAX_DEPTH} deep in one another"
            )
        is_there = is_there or await self._resolve(wanted.digest) is not None
        outcome = Outcome.PRESENT if is_there else Outcome.COPIED
        reached: list[Descriptor] = []
        if not (is_there and self._is_whole(wanted, chosen)):
            manifest = await self._manifests.get(wanted)
            if depth and len(manifest.content) != wanted.size:  # clients would refuse the index
                raise SourceContentInvalid(
                    f"the manifest {wanted.digest} of {self._source} has {len(manifest.content)} "
                    f"bytes; the index that lists it says {wanted.size}"
                )
            reached = await self._copy_parts(manifest, chosen, depth)
            if not is_there:
                await self._push(manifest, tags, chosen)
        self._tally.count_manifest(outcome, wanted.size)
        return (wanted, *reached)

    def _is_whole(self, there: Descriptor, chosen: Chosen) -> bool:
        """Return whether a manifest of the target needs no look at what it leads to."""
        needs_descent = self._options.referrers and there.media_type in INDEXES
        return self._target.keeps_whole and there.digest not in chosen and not needs_descent

    async def _copy_parts(self, manifest: Manifest, chosen: Chosen, depth: int) -> list[Descriptor]:
        """Copy what a manifest references, and return the manifests among it."""
        wanted = await off_loop(len(manifest.content), parts, manifest, chosen.get(manifest.digest))
        found = await for_each(
            wanted,
            lambda part: self._copy_part(part, chosen, depth + 1),
            limit=self._options.parallel,
        )
        return [descriptor for each in found for descriptor in each]

    async def _copy_part(self, part: Part, chosen: Chosen, depth: int) -> tuple[Descriptor, ...]:
        wanted = part.descriptor
        if not part.in_index:
            await self._blobs.copy(wanted, required=part.required)
            return ()
        if not part.is_manifest:
            if await self._blobs.copy(wanted, required=False):
                return ()
            return await self._ensure(wanted, chosen, depth=depth)
        try:
            return await self._ensure(wanted, chosen, depth=depth)
        except SourceManifestMissing as error:
            if error.reference == wanted.digest and await self._blobs.copy(wanted, required=False):
                return ()
            raise

    async def _push(
        self, manifest: Manifest, tags: Sequence[str], chosen: Chosen = _NOTHING_CHOSEN
    ) -> None:
        """Push a manifest. What the target lacks all the same is copied again.

        :raises SparseIndexRefused:
        """
        for attempt in range(1, ATTEMPTS):
            try:
                return await self._push_once(manifest, tags)
            except RegistryError as error:
                if not _is_incomplete(error):
                    raise
                if manifest.digest in chosen:
                    raise SparseIndexRefused(
                        f"{self._target} does not accept an index of which only some platforms are "
                        "copied; copy one platform, or all of them, or have the registry accept "
                        "such indexes (Moorage: "
                        "REGISTRY_VALIDATION_MANIFESTS_INDEXES_PLATFORMS=none)"
                    ) from error
            await self._run.sleep(float(attempt))
            self._forget(manifest)
            await self._copy_parts(manifest, chosen, 0)
        return await self._push_once(manifest, tags)

    def _forget(self, manifest: Manifest) -> None:
        for part in parts(manifest):
            self._blobs.forget(part.descriptor.digest)
            scope = (None, self._options.referrers)
            self._run.manifests.forget(Filled.of(self._target, part.descriptor.digest, scope))

    async def _push_once(self, manifest: Manifest, tags: Sequence[str]) -> None:
        target = self._target
        if self._tally.dry_run:
            return
        pushed = await self._run.attempt(
            lambda: target.registry.push_manifest(target.repository, manifest, tags)
        )
        for tag in tags:
            self._run.tagged[target.authority, target.repository, tag] = manifest.digest
        if manifest.document.subject is not None and pushed.subject is None:
            await self._fallback_lists.add(manifest)

    async def _set_tags(
        self, root: Descriptor, tags: Sequence[str], chosen: Chosen = _NOTHING_CHOSEN
    ) -> None:
        """Set those of the tags that were not set when the manifest was pushed."""
        where = (self._target.authority, self._target.repository)
        left = [tag for tag in tags if self._run.tagged.get((*where, tag)) != root.digest]
        if left:
            await self._push(await self._manifests.get(root), left, chosen)

    async def _copy_attachments(self, subjects: Collection[Descriptor]) -> None:
        """Copy what is attached to manifests, and what is attached to that, and so on."""
        seen = {subject.digest for subject in subjects}
        remaining = list(subjects)
        while remaining:
            found = await for_each(remaining, self._attach, limit=self._options.parallel)
            new = {each.digest: each for group in found for each in group}
            remaining = [each for digest, each in new.items() if digest not in seen]
            seen |= new.keys()
            if len(seen) > MAX_MANIFESTS:
                raise SourceManifestInvalid(
                    f"{self._source} has more than {MAX_MANIFESTS} manifests that belong together"
                )

    async def _attach(self, subject: Descriptor) -> tuple[Descriptor, ...]:
        return await self._run.attachments.get(
            Filled.of(self._target, subject.digest), lambda: self._attach_once(subject.digest)
        )

    async def _attach_once(self, subject: Digest) -> tuple[Descriptor, ...]:
        """Copy what is attached to a manifest; return all manifests that this leads to."""
        found = await SourceAttachments(self._source, self._manifests).find(subject)
        groups = await for_each(found, self._copy_attachment, limit=self._options.parallel)
        await self._complete_list(subject, [each for each in found if each.is_referrer])
        return tuple(descriptor for group in groups for descriptor in group)

    async def _copy_attachment(self, attachment: Attachment) -> tuple[Descriptor, ...]:
        stale = await self._stale(attachment.descriptor.digest, attachment.tags)
        reached = await self._ensure(attachment.descriptor, _NOTHING_CHOSEN, stale)
        await self._set_tags(attachment.descriptor, stale)
        self._note_tags(attachment.descriptor, attachment.tags, stale)
        return reached

    async def _complete_list(self, subject: Digest, referrers: Sequence[Attachment]) -> None:
        """Push referrers once more that the target has, but does not list.

        It may have got them before it kept lists, or from a client that did not keep one.
        """
        if not referrers or self._tally.dry_run:
            return
        listed = {each.digest for each in await list_referrers(self._target, subject)}
        for each in referrers:
            if each.descriptor.digest not in listed:
                await self._push(await self._manifests.get(each.descriptor), ())
