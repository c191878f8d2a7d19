"""Manifests and referrers: whether all that they reference is there, and is the repository's."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from ...aio import for_each, off_loop
from ...object_store.errors import NotFound, StoreRefused, TooLarge
from ...object_store.interface import delete_if, if_match
from ...spec.descriptor import Descriptor
from ...spec.digest import Digest
from ...spec.errors import ManifestInvalid
from ...spec.manifest import MAX_MANIFEST_BYTES, Manifest, parse_manifest
from ...spec.media_types import MANIFESTS
from ...storage.content import Content
from ...storage.layout_parse import Kind
from ...storage.membership import Membership
from ...storage.referrers import Referrers
from .content import is_manifest, report_damaged
from .context import CONCURRENCY, CheckContext
from .links import ListedLink, ListedLinks
from .repairs import remove_revision_link, restore_link
from .report import Problem


@dataclass
class ManifestCheck:
    """Checks the manifests of one repository.

    ``reported`` are digests already known to be missing or not linked: each is one finding,
    however many manifests reference it. ``subjects`` maps each manifest that has a subject to it;
    ``unread`` are manifests that could not be read; ``listed_blobs`` maps what an index lists as a
    blob, as BuildKit's caches do, to that index.
    """

    context: CheckContext
    repository: str
    links: ListedLinks
    reported: set[Digest]
    subjects: dict[Digest, Digest] = field(default_factory=dict)
    unread: set[Digest] = field(default_factory=set)
    listed_blobs: dict[Digest, Digest] = field(default_factory=dict)
    _children: list[Digest] = field(default_factory=list)
    _no_manifests: dict[Digest, str] = field(default_factory=dict)
    """What is linked as a manifest and is none, and why."""

    async def run(self, unlinked: Iterable[Digest]) -> None:
        """Check the repository's manifests, and those that its tags lead to: ``unlinked``.

        One call for each manifest.
        """
        await for_each(chain(self.links.revisions, unlinked), self._check, limit=CONCURRENCY)
        while self._children:
            children, self._children = self._children, []
            await for_each(children, self._check, limit=CONCURRENCY)
        await for_each(self._no_manifests.items(), self._judge, limit=CONCURRENCY)

    async def _check(self, digest: Digest) -> None:
        content = await self._read(digest)
        if content is None:
            self.unread.add(digest)
            return
        try:
            manifest = await off_loop(len(content), parse_manifest, content, digest=digest)
        except ManifestInvalid as error:
            self.unread.add(digest)
            message = f"manifest {digest}: {error}"
            if await off_loop(len(content), is_manifest, content):
                await self._report_invalid(digest, message)
            else:
                self._no_manifests[digest] = message
            return
        for blob in _unique(manifest.document.required_blobs):
            await self._check_blob(digest, blob.digest)
        for child in _unique(manifest.document.manifests):
            if child.media_type in MANIFESTS:
                await self._check_child(digest, child.digest)
            else:
                await self._check_listed_blob(digest, child.digest)
        await self._check_subject(manifest)

    async def _read(self, digest: Digest) -> bytes | None:
        """Return content that matches its digest; None, once noted, if it cannot be read.

        One call, none if it is too large for a manifest.
        """
        path = self.context.layout.content(digest)
        too_large = f"manifest {digest} has more than {MAX_MANIFEST_BYTES} bytes"
        if (self.context.listed_size(digest) or 0) > MAX_MANIFEST_BYTES:
            self._no_manifests[digest] = too_large
            return None
        try:
            found = await self.context.store.get(path, limit=MAX_MANIFEST_BYTES)
        except NotFound:
            await self._report_dangling(digest)
            return None
        except TooLarge:
            self._no_manifests[digest] = too_large
            return None
        except StoreRefused:  # archived, which the walk reports
            return None
        content = found.content
        if await off_loop(len(content), Digest.of, content, digest.algorithm) != digest:
            await report_damaged(self.context, digest, found.properties)
            if digest in self.context.quarantined:
                await self._report_dangling(digest)
            return None
        return content

    async def _report_dangling(self, digest: Digest) -> None:
        path = self.context.layout.revision_link(self.repository, digest)
        if digest in self.reported or not await self.context.exists(path):
            return
        await self.context.report_problem(
            Problem.MANIFEST_DANGLING,
            path,
            f"the content of manifest {digest} is missing",
            repository=self.repository,
        )

    async def _report_invalid(self, digest: Digest, message: str) -> None:
        path = self.context.layout.content(digest)
        await self.context.report_problem(
            Problem.MANIFEST_INVALID, path, message, repository=self.repository
        )

    async def _judge(self, item: tuple[Digest, str]) -> None:
        """Report what is linked as a manifest and is none.

        If it is a blob of the repository, the link can go: CNCF distribution's ``garbage-collect``
        stops at such a link. Earlier repairs wrote them for what BuildKit's caches list.
        """
        digest, message = item
        index = self.listed_blobs.get(digest)
        if index is not None:
            await self._check_blob(index, digest)
        is_blob = index is not None or digest in self.links.layers
        if not is_blob or self._is_tagged(digest):
            await self._report_invalid(digest, message)
            return
        path = self.context.layout.revision_link(self.repository, digest)
        with suppress(NotFound):  # deleted since, or an index lists it as a manifest
            seen = await self.context.store.head(path)
            await self.context.report_problem(
                Problem.BLOB_AS_MANIFEST,
                path,
                f"the blob {digest} is linked as a manifest, which it is not",
                repository=self.repository,
                repair=partial(
                    remove_revision_link, self.context, self.repository, path, seen=seen
                ),
            )

    def _is_tagged(self, digest: Digest) -> bool:
        currents = (tag.current for tag in self.links.tags.values())
        return any(current and current.target == digest for current in currents)

    async def _check_blob(self, manifest: Digest, digest: Digest) -> None:
        is_linked = digest in self.links.layers
        is_missing = self.links.layers.is_marked(digest)
        if digest in self.reported or (is_linked and not is_missing):
            return
        subject = f"blob {digest} of manifest {manifest}"
        path = self.context.layout.blob_link(self.repository, digest)
        if is_missing:  # whether or not a repair has deleted its link
            self.reported.add(digest)
            await self._report_missing(Problem.BLOB_MISSING, path, subject)
        elif await self._has_unlinked(subject, path, digest, Problem.BLOB_MISSING):
            await self._report_unlinked(
                Problem.BLOB_UNLINKED, subject, Kind.LAYER_LINK, path, digest
            )

    async def _check_listed_blob(self, index: Digest, digest: Digest) -> None:
        """Check what an index lists with another media type than a manifest's."""
        self.listed_blobs[digest] = index
        if digest not in self.links.revisions:
            await self._check_blob(index, digest)

    async def _check_child(self, index: Digest, digest: Digest) -> None:
        if digest in self.links.revisions or digest in self.reported:
            return
        subject = f"manifest {digest} of index {index}"
        path = self.context.layout.revision_link(self.repository, digest)
        if not await self._has_unlinked(subject, path, digest, Problem.CHILD_MISSING):
            return
        content = await self._read(digest)
        if content is None:
            return
        if await off_loop(len(content), is_manifest, content):
            await self._report_unlinked(
                Problem.CHILD_UNLINKED, subject, Kind.REVISION_LINK, path, digest
            )
            self._children.append(digest)
        elif digest not in self.links.layers:
            await self._report_invalid(digest, f"{subject} is not a manifest")

    async def _has_unlinked(
        self, subject: str, path: str, digest: Digest, missing: Problem
    ) -> bool:
        """Return whether content exists that still has no link; report it if it is missing."""
        self.reported.add(digest)
        if await self.context.exists(path):
            return False
        if await self.context.content_size(digest) is None:
            await self._report_missing(missing, path, subject)
            return False
        self.context.content.mark(digest)
        return True

    async def _report_missing(self, problem: Problem, path: str, subject: str) -> None:
        message = f"{subject} is missing"
        await self.context.report_problem(problem, path, message, repository=self.repository)

    async def _report_unlinked(
        self, problem: Problem, subject: str, kind: Kind, path: str, digest: Digest
    ) -> None:
        await self.context.report_problem(
            problem,
            path,
            f"{subject} is not linked in the repository, though it is in storage",
            repository=self.repository,
            repair=partial(restore_link, self.context, kind, path, digest),
        )

    async def _check_subject(self, manifest: Manifest) -> None:
        if manifest.document.subject is None:
            return
        digest, subject = manifest.digest, manifest.document.subject.digest
        self.subjects[digest] = subject
        path = self.context.layout.referrer_link(self.repository, subject, digest)
        if (subject, digest) in self.links.referrers or await self.context.exists(path):
            return
        await self.context.report_problem(
            Problem.REFERRER_MISSING,
            path,
            f"manifest {digest} is not among the referrers of its subject {subject}",
            repository=self.repository,
            repair=partial(self._add_referrer, manifest),
        )

    async def _add_referrer(self, manifest: Manifest) -> str:
        store, layout = self.context.store, self.context.layout
        referrers = Referrers(Membership(store, layout), Content(store, layout))
        await referrers.add(self.repository, manifest)
        entry = await referrers.look(self.repository, manifest)
        revision = layout.revision_link(self.repository, manifest.digest)
        if await self.context.exists(revision):
            return "entry written"
        if entry is not None:  # the manifest was deleted meanwhile
            await referrers.remove(self.repository, manifest, entry.etag)
        return ""


async def check_referrers(manifests: ManifestCheck) -> None:
    """Check that each entry of a referrers list names a manifest that names the list's subject.

    ``manifests`` is the check of the same repository, after its run. No call for an entry that is
    in order.
    """
    context, repository, links = manifests.context, manifests.repository, manifests.links

    async def check(item: tuple[tuple[Digest, Digest], ListedLink]) -> None:
        (subject, digest), entry = item
        if digest in manifests.unread or manifests.subjects.get(digest) == subject:
            return
        revision = context.layout.revision_link(repository, digest)
        is_known = digest in links.revisions or digest in manifests.subjects
        # A push writes the entry and the revision link at the same time.
        if not is_known and (
            context.is_young(entry.properties.last_modified) or await context.exists(revision)
        ):
            return
        if not await context.exists(entry.path):
            return
        reason = "does not name this subject" if is_known else "is not in the repository"
        await context.report_problem(
            Problem.REFERRER_STALE,
            entry.path,
            f"an entry for subject {subject}: manifest {digest} {reason}",
            repository=repository,
            repair=partial(_delete_entry, context, entry),
        )

    await for_each(links.referrers.items(), check, limit=CONCURRENCY)


async def _delete_entry(context: CheckContext, entry: ListedLink) -> str:
    is_deleted = await delete_if(context.store, entry.path, if_match(entry.properties.etag))
    return "entry deleted" if is_deleted else ""


def _unique(descriptors: Iterable[Descriptor]) -> Iterable[Descriptor]:
    return {descriptor.digest: descriptor for descriptor in descriptors}.values()
