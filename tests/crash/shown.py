"""What clients see of a store through a fresh registry, and whether it is consistent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from registry_core.registry import Listing, Registry, TagInfo
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import PageQuery, Reference
from registry_core.spec.errors import BlobUnknown, ManifestUnknown, NameUnknown
from registry_core.spec.manifest import Manifest
from tests.support.content import read_blob

from .stored import damage, links
from .world import State

_ALL = PageQuery()


@dataclass(frozen=True)
class Problem:
    """An inconsistency. ``tag``: the repository and tag that it is about, if any.

    ``is_missing``: a manifest that something references is missing.
    """

    text: str
    tag: tuple[str, str] | None = None
    is_missing: bool = False


@dataclass(frozen=True)
class Facts:
    """What clients can read: ``tags`` with what they point to, everything else by repository.

    ``unlisted``: manifests that are not among the referrers of their subject.
    """

    tags: Mapping[tuple[str, str], Digest]
    others: frozenset[tuple[object, ...]]
    unlisted: frozenset[tuple[object, ...]] = field(default=frozenset(), compare=False)


@dataclass
class Look:
    """A look at one state. ``may_lack``: references of manifests were deleted on purpose."""

    registry: Registry
    state: State
    may_lack: bool = False
    problems: list[Problem] = field(default_factory=list)
    _tags: dict[tuple[str, str], Digest] = field(default_factory=dict)
    _others: set[tuple[object, ...]] = field(default_factory=set)
    _referrers: set[tuple[object, ...]] = field(default_factory=set)
    _looked_at: dict[tuple[str, Reference], Digest | None] = field(default_factory=dict)

    async def facts(self) -> Facts:
        """Return everything that clients can read; fills ``problems`` on the way."""
        self.problems += [Problem(text) for text in damage(self.state)]
        found = list(links(self.state))
        for name in (await self.registry.list_repositories(_ALL)).entries:
            self._others.add(("repository", name))
        for repository in sorted({link.repository for link in found}):
            await self._list_tags(repository, {x.tag for x in found if x.repository == repository})
        for link in found:
            if link.kind == "_layers" and link.digest:
                await self._blob(link.repository, link.digest)
            elif link.kind == "_manifests/revisions" and link.digest:
                await self._whole(link.repository, link.digest, "a revision link")
                self._others.add(("manifest", link.repository, link.digest))
        for repository, subject in {(x.repository, x.subject) for x in found if x.subject}:
            await self._list_referrers(repository, subject)
        others = frozenset(self._others)
        return Facts(self._tags, others, frozenset(self._referrers) - others)

    async def _list_tags(self, repository: str, stored: set[str | None]) -> None:
        try:
            listing = await self.registry.list_tags(repository, _ALL, details=True)
        except NameUnknown:
            listing = Listing[TagInfo](())
        listed = [tag.name for tag in listing.entries]
        for tag in listed:
            if (digest := await self._whole(repository, tag, "the list of tags")) is not None:
                self._tags[repository, tag] = digest
        for hidden in stored - {None, *listed}:
            self._say(repository, str(hidden), "is in storage and is not listed")

    async def _list_referrers(self, repository: str, subject: Digest) -> None:
        listing = await self.registry.list_referrers(repository, subject, None, _ALL)
        for entry in listing.entries:
            await self._whole(repository, entry.digest, "a list of referrers")
            self._others.add(("referrer", repository, subject, entry.digest))

    async def _whole(self, repository: str, reference: Reference, listed_by: str) -> Digest | None:
        """Return the manifest's digest after reading all that it needs; None if it is missing."""
        if (repository, reference) not in self._looked_at:
            found = await self._read(repository, reference, listed_by)
            self._looked_at[repository, reference] = found
        return self._looked_at[repository, reference]

    async def _read(self, repository: str, reference: Reference, listed_by: str) -> Digest | None:
        try:
            found = await self.registry.get_manifest(repository, reference)
            resolved = await self.registry.resolve_manifest(repository, reference)
        except ManifestUnknown as error:
            self._say(
                repository,
                reference,
                f"is listed by {listed_by}, and missing: {error}",
                is_missing=True,
            )
            return None
        digest = found.descriptor.digest
        if Digest.of(found.content, digest.algorithm) != digest or found.descriptor != resolved:
            self._say(repository, reference, "does not hash to its digest, or resolves to another")
        if reference != digest:
            await self._whole(repository, digest, f"the tag {reference}")
        else:
            await self._references(repository, found)
        return digest

    async def _references(self, repository: str, manifest: Manifest) -> None:
        if subject := manifest.document.subject:
            self._referrers.add(("referrer", repository, subject.digest, manifest.digest))
        for blob in () if self.may_lack else manifest.document.required_blobs:
            await self._blob(repository, blob.digest)
        for child in () if self.may_lack else manifest.document.manifests:
            await self._whole(repository, child.digest, "an index")

    async def _blob(self, repository: str, digest: Digest) -> None:
        if ("blob", repository, digest) in self._others:
            return
        self._others.add(("blob", repository, digest))
        try:
            content = await read_blob(self.registry, repository, digest)
        except BlobUnknown as error:
            self._others.remove(("blob", repository, digest))
            self._say(repository, digest, f"is not a blob: {error}")
            return
        if Digest.of(content, digest.algorithm) != digest:
            self._say(repository, digest, "is not whole")

    def _say(
        self, repository: str, reference: Reference, what: str, *, is_missing: bool = False
    ) -> None:
        tag = (repository, reference) if isinstance(reference, str) else None
        text = f"{repository} {str(reference)[:20]} {what}"
        self.problems.append(Problem(text, tag, is_missing))
