"""The manifests of one repository: there, whole, and with all that they reference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from ...aio import off_loop
from ...object_store.interface import NotFound
from ...spec.descriptor import Descriptor
from ...spec.digest import Digest
from ...spec.errors import ManifestInvalid
from ...spec.manifest import Manifest, parse_manifest
from ...storage.content import Content
from ...storage.layout_parse import Kind
from ...storage.membership import Membership
from ...storage.referrers import Referrers
from .case import Case, for_each
from .repairs import MOST_MANIFEST_BYTES, link
from .report import Trouble
from .rows import Rows


@dataclass
class ManifestCheck:
    """``subjects`` tells what the manifests name as theirs, ``unread`` which say nothing.

    ``told`` are digests whose absence is known: each is one finding, however much references it.
    """

    case: Case
    repository: str
    rows: Rows
    told: set[Digest]
    subjects: dict[Digest, Digest] = field(default_factory=dict)
    unread: set[Digest] = field(default_factory=set)
    _children: list[Digest] = field(default_factory=list)

    async def run(self, unlinked: Iterable[Digest]) -> None:
        """Check the repository's own manifests, and ``unlinked``, which tags say it should have."""
        await for_each(chain(self.rows.revisions, unlinked), self._check)
        while self._children:
            children, self._children = self._children, []
            await for_each(children, self._check)

    async def _check(self, digest: Digest) -> None:
        content = await self._read(digest)
        if content is None:
            self.unread.add(digest)
            return
        try:
            manifest = await off_loop(len(content), parse_manifest, content, digest=digest)
        except ManifestInvalid as error:
            self.unread.add(digest)
            await self._found(Trouble.MANIFEST_INVALID, digest, f"manifest {digest}: {error}")
            return
        for blob in _digests(manifest.document.required_blobs):
            if blob not in self.rows.layers and blob not in self.told:
                await self._blob(digest, blob)
        for child in _digests(manifest.document.manifests):
            if child not in self.rows.revisions and child not in self.told:
                await self._child(digest, child)
        await self._subject(manifest)

    async def _read(self, digest: Digest) -> bytes | None:
        """Content that is what its digest says; None, and reported, when it is not."""
        size = await self.case.size_of(digest)
        if size is not None and size > MOST_MANIFEST_BYTES:
            await self._found(Trouble.MANIFEST_INVALID, digest, f"{digest} is {size} bytes large")
            return None
        try:
            content = (await self.case.store.get(self.case.layout.content(digest))).content
        except NotFound:
            await self._dangling(digest)
            return None
        if Digest.of(content, digest.algorithm) != digest:
            await report_damaged(self.case, digest)
            return None
        return content

    async def _dangling(self, digest: Digest) -> None:
        path = self.case.layout.revision_link(self.repository, digest)
        if digest in self.told or not await self.case.is_there(path):
            return
        says = f"the content of manifest {digest} is missing"
        await self.case.found(Trouble.MANIFEST_DANGLING, path, says, repository=self.repository)

    async def _found(self, trouble: Trouble, digest: Digest, says: str) -> None:
        path = self.case.layout.content(digest)
        await self.case.found(trouble, path, says, repository=self.repository)

    async def _blob(self, manifest: Digest, digest: Digest) -> None:
        path = self.case.layout.blob_link(self.repository, digest)
        troubles = (Trouble.BLOB_UNLINKED, Trouble.BLOB_MISSING)
        await self._reference(
            f"blob {digest} of {manifest}", Kind.LAYER_LINK, path, digest, troubles
        )

    async def _child(self, manifest: Digest, digest: Digest) -> None:
        path = self.case.layout.revision_link(self.repository, digest)
        troubles = (Trouble.CHILD_UNLINKED, Trouble.CHILD_MISSING)
        what = f"manifest {digest} of index {manifest}"
        if await self._reference(what, Kind.REVISION_LINK, path, digest, troubles):
            self._children.append(digest)

    async def _reference(
        self, what: str, kind: Kind, path: str, digest: Digest, troubles: tuple[Trouble, Trouble]
    ) -> bool:
        """Whether the content of what is not linked is there."""
        self.told.add(digest)
        if await self.case.is_there(path):
            return False
        if await self.case.size_of(digest) is None:
            says = f"{what} is missing"
            await self.case.found(troubles[1], path, says, repository=self.repository)
            return False
        self.case.content.mark(digest)
        await self.case.found(
            troubles[0],
            path,
            f"{what} is not the repository's, though it is in storage",
            repository=self.repository,
            repair=partial(link, self.case, kind, path, digest),
        )
        return True

    async def _subject(self, manifest: Manifest) -> None:
        if manifest.document.subject is None:
            return
        digest, subject = manifest.digest, manifest.document.subject.digest
        self.subjects[digest] = subject
        path = self.case.layout.referrer_link(self.repository, subject, digest)
        if (subject, digest) in self.rows.referrers or await self.case.is_there(path):
            return
        await self.case.found(
            Trouble.REFERRER_MISSING,
            path,
            f"manifest {digest} is not among the referrers of its subject {subject}",
            repository=self.repository,
            repair=partial(self._enter, manifest),
        )

    async def _enter(self, manifest: Manifest) -> str:
        store, layout = self.case.store, self.case.layout
        referrers = Referrers(Membership(store, layout), Content(store, layout))
        await referrers.add(self.repository, manifest)
        if await self.case.is_there(layout.revision_link(self.repository, manifest.digest)):
            return "entry written"
        await referrers.remove(self.repository, manifest)  # deleted meanwhile
        return ""


async def report_damaged(case: Case, digest: Digest) -> None:
    """Content that hashes to something else, once for all repositories."""
    if digest in case.damaged:
        return
    case.damaged.add(digest)
    says = "the content does not hash to its address"
    await case.found(Trouble.CONTENT_DAMAGED, case.layout.content(digest), says)


def _digests(descriptors: Iterable[Descriptor]) -> Iterable[Digest]:
    return dict.fromkeys(descriptor.digest for descriptor in descriptors)
