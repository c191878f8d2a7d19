"""What a repository's links and manifests name, where the listing does not say it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from ...aio import for_each, in_slices, off_loop
from ...object_store.errors import NotFound, StoreRefused, TooLarge
from ...object_store.interface import ObjectStore, exists
from ...spec.descriptor import text_map_field
from ...spec.digest import Digest
from ...spec.errors import ManifestInvalid
from ...spec.manifest import MAX_MANIFEST_BYTES
from ...spec.named_digests import ManifestNames, manifest_names
from ...storage.layout import Layout
from ...storage.link_metadata import read_expiry
from ...storage.links import look_at_link
from .acts import AT_ONCE
from .references import FEWEST, ReferenceRecord, References
from .report import GcReport
from .repository import ListedRepository, UnreadLink

EXPIRES_AFTER = b"expires-after"
"""What the names of the annotations end with that let a manifest's tags expire."""


class Opaque(Exception):
    """Nobody can say what a repository needs, so nothing in it is judged. Its text says why."""


@dataclass
class RepositoryReader:
    """Reads links and manifests of one repository."""

    store: ObjectStore
    layout: Layout
    report: GcReport
    repository: ListedRepository

    async def read_links(self) -> None:
        """Read the links that have to be. One call each, unless one is empty.

        A link that cannot be read keeps all content: what it leads to may have no other.

        :raises Opaque: a tag cannot be read, or was deleted since it was listed.
        """
        links, self.repository.unread = self.repository.unread, []
        lost = [text for text in await for_each(links, self._read_link, limit=AT_ONCE) if text]
        if lost:
            raise Opaque(lost[0])

    async def _read_link(self, link: UnreadLink) -> str:
        """Read a link; return what that means for the repository if it is in doubt."""
        try:
            seen = await look_at_link(self.store, link.path)
        except (StoreRefused, NotFound) as error:
            return self._unreadable(link, str(error))
        if seen.etag is None:
            return f"{link.path} was deleted during the run" if link.tag else ""
        if seen.digest is None:
            return self._unreadable(link, "it contains no digest")
        self.repository.named.mark(seen.digest)
        if link.digest is not None:
            self.repository.aliases[link.digest] = seen.digest
        if link.tag:
            tag = self.repository.tags[link.tag]
            tag.digest, tag.etag = seen.digest, seen.etag
        return ""

    def _unreadable(self, link: UnreadLink, why: str) -> str:
        text = f"{link.path} cannot be read: {why}"
        self.report.keep_content(text)
        return text

    async def check_tags(self, started: float) -> None:
        """Check that the repository has the manifests that its tags point to.

        Deletions begin with the tags. So something was cut off, or another registry has left it so:
        the tag can be pulled, and `doctor --repair` links the manifest again. A tag that was
        written since the run began may belong to a push whose manifest was not listed yet. One call
        for each manifest that is not there, none as a rule.

        :raises Opaque: it lacks one that is in storage.
        """
        unlinked = {
            tag.digest: name
            for name, tag in self.repository.tags.items()
            if tag.digest is not None
            and tag.digest not in self.repository.revisions
            and tag.modified < started
        }

        async def is_there(digest: Digest) -> bool:
            return await exists(self.store, self.layout.content(self._address(digest)))

        found = await for_each(unlinked, is_there, limit=AT_ONCE)
        for (digest, name), there in zip(unlinked.items(), found, strict=True):
            if there:
                raise Opaque(f"tag {name} points to {digest}, which the repository does not have")

    async def read_manifests(self) -> None:
        """Read what each manifest names, and mark the layer links that one names.

        One call for each; one or two for all that have been read by an earlier run.

        :raises Opaque: one is missing, damaged, not JSON, or cannot be read for another reason.
        """
        revisions = self.repository.revisions
        record: ReferenceRecord | None = None
        known: list[References] = []
        if len(revisions) >= FEWEST:
            record = ReferenceRecord(self.store, self.layout, self.repository.name)
            known = [each for each in await record.load() if each.digest in revisions]
        async for some in in_slices(known):
            for each in some:
                self._apply(each)
        unread = revisions.keys() - {each.digest for each in known}
        new = await for_each(sorted(unread), self._read_references, limit=AT_ONCE)
        if record is not None and new and not self.report.dry_run:
            await record.save([*known, *new])

    async def _read_references(self, digest: Digest) -> References:
        content = await self._read(digest)
        names = await _parse(digest, content)
        wish = read_expiry({}, await _annotations(content)) if EXPIRES_AFTER in content else None
        references = References(digest, tuple(names.needed), tuple(names.subjects), wish)
        self._apply(references)
        return references

    def _apply(self, references: References) -> None:
        layers, aliases = self.repository.layers, self.repository.aliases
        digest = references.digest
        # Some registries, and earlier repairs, link a manifest as a blob as well.
        for named in (digest, *references.needed, *references.subjects):
            layers.mark(named)
            if named in aliases:
                layers.mark(aliases[named])
        known = self.repository.revisions
        revision = known[digest]
        revision.needs = tuple(
            each for each in references.needed if each in known and each != digest
        )
        revision.subjects = tuple(references.subjects)
        if revision.expires_after is None:
            revision.expires_after = references.expires_after

    async def _read(self, digest: Digest) -> bytes:
        content = await self._read_content(digest)
        if not await off_loop(len(content), _is_of, content, digest, self._address(digest)):
            raise Opaque(f"the content of manifest {digest} is damaged")
        return content

    def _address(self, digest: Digest) -> Digest:
        """Return the digest that a manifest's content is stored under."""
        return self.repository.aliases.get(digest, digest)

    async def _read_content(self, digest: Digest) -> bytes:
        path = self.layout.content(self._address(digest))
        try:
            return (await self.store.get(path, limit=MAX_MANIFEST_BYTES)).content
        except NotFound:
            why = "is missing"
        except TooLarge:
            why = f"has more than {MAX_MANIFEST_BYTES} bytes"
        except StoreRefused as error:
            why = f"cannot be read: {error}"
        raise Opaque(f"the content of manifest {digest} {why}")


async def _parse(digest: Digest, content: bytes) -> ManifestNames:
    try:
        return await off_loop(len(content), manifest_names, content)
    except ManifestInvalid as error:
        raise Opaque(f"manifest {digest}: {error}") from error


async def _annotations(content: bytes) -> Mapping[str, str] | None:
    """Return the annotations of a manifest in valid JSON; None if it has none that are texts.

    None, too, where another registry has taken what Python does not parse: numbers of 5,000 digits.
    """
    try:
        document = await off_loop(len(content), json.loads, content)
        return text_map_field(document, "annotations") if isinstance(document, dict) else None
    except (ValueError, RecursionError):
        return None


def _is_of(content: bytes, *digests: Digest) -> bool:
    """Return whether content hashes to one of the digests."""
    return any(Digest.of(content, digest.algorithm) == digest for digest in set(digests))
