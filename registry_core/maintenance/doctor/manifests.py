"""Manifests and referrers: whether all that they reference is there, and is the repository's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from ...aio import for_each, off_loop
from ...object_store.interface import NotFound, StoreRefused, TooLarge, delete_if, if_match
from ...spec.descriptor import Descriptor
from ...spec.digest import Digest
from ...spec.errors import ManifestInvalid
from ...spec.manifest import MAX_MANIFEST_BYTES, Manifest, parse_manifest
from ...storage.content import Content
from ...storage.layout_parse import Kind
from ...storage.membership import Membership
from ...storage.referrers import Referrers
from .context import CONCURRENCY, CheckContext
from .links import ListedLink, ListedLinks
from .repairs import restore_link
from .report import Problem


@dataclass
class ManifestCheck:
    """Checks the manifests of one repository.

    ``reported`` are digests already known to be missing or not linked: each is one finding,
    however many manifests reference it. ``subjects`` maps each manifest that has a subject to it;
    ``unread`` are manifests that could not be read.
    """

    context: CheckContext
    repository: str
    links: ListedLinks
    reported: set[Digest]
    subjects: dict[Digest, Digest] = field(default_factory=dict)
    unread: set[Digest] = field(default_factory=set)
    _children: list[Digest] = field(default_factory=list)

    async def run(self, unlinked: Iterable[Digest]) -> None:
        """Check the repository's manifests, and those that its tags lead to: ``unlinked``.

        One call for each manifest.
        """
        await for_each(chain(self.links.revisions, unlinked), self._check, limit=CONCURRENCY)
        while self._children:
            children, self._children = self._children, []
            await for_each(children, self._check, limit=CONCURRENCY)

    async def _check(self, digest: Digest) -> None:
        content = await self._read(digest)
        if content is None:
            self.unread.add(digest)
            return
        try:
            manifest = await off_loop(len(content), parse_manifest, content, digest=digest)
        except ManifestInvalid as error:
            self.unread.add(digest)
            await self._report_invalid(digest, f"manifest {digest}: {error}")
            return
        for blob in _digests(manifest.document.required_blobs):
            if blob not in self.links.layers and blob not in self.reported:
                await self._check_blob(digest, blob)
        for child in _digests(manifest.document.manifests):
            if child not in self.links.revisions and child not in self.reported:
                await self._check_child(digest, child)
        await self._check_subject(manifest)

    async def _read(self, digest: Digest) -> bytes | None:
        """Return content that matches its digest; None, once reported, if there is none."""
        path = self.context.layout.content(digest)
        try:
            content = (await self.context.store.get(path, limit=MAX_MANIFEST_BYTES)).content
        except NotFound:
            await self._report_dangling(digest)
            return None
        except TooLarge:
            message = f"manifest {digest} has more than {MAX_MANIFEST_BYTES} bytes"
            await self._report_invalid(digest, message)
            return None
        except StoreRefused:  # archived, which the walk reports
            return None
        if Digest.of(content, digest.algorithm) != digest:
            await self.context.report_damaged(digest)
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

    async def _check_blob(self, manifest: Digest, digest: Digest) -> None:
        path = self.context.layout.blob_link(self.repository, digest)
        await self._check_reference(
            f"blob {digest} of manifest {manifest}",
            Kind.LAYER_LINK,
            path,
            digest,
            unlinked=Problem.BLOB_UNLINKED,
            missing=Problem.BLOB_MISSING,
        )

    async def _check_child(self, index: Digest, digest: Digest) -> None:
        path = self.context.layout.revision_link(self.repository, digest)
        if await self._check_reference(
            f"manifest {digest} of index {index}",
            Kind.REVISION_LINK,
            path,
            digest,
            unlinked=Problem.CHILD_UNLINKED,
            missing=Problem.CHILD_MISSING,
        ):
            self._children.append(digest)

    async def _check_reference(
        self,
        subject: str,
        kind: Kind,
        path: str,
        digest: Digest,
        *,
        unlinked: Problem,
        missing: Problem,
    ) -> bool:
        """Report content without a link in the repository. Returns whether the content exists.

        False as well if the link was written since the listing.
        """
        self.reported.add(digest)
        if await self.context.exists(path):
            return False
        if await self.context.content_size(digest) is None:
            message = f"{subject} is missing"
            await self.context.report_problem(missing, path, message, repository=self.repository)
            return False
        self.context.content.mark(digest)
        await self.context.report_problem(
            unlinked,
            path,
            f"{subject} is not linked in the repository, though it is in storage",
            repository=self.repository,
            repair=partial(restore_link, self.context, kind, path, digest),
        )
        return True

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
            await referrers.remove(self.repository, manifest, entry)
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


def _digests(descriptors: Iterable[Descriptor]) -> Iterable[Digest]:
    return dict.fromkeys(descriptor.digest for descriptor in descriptors)
