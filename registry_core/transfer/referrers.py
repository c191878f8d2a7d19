"""What is attached to a manifest: its referrers, and cosign's signatures by tag.

Sources: OCI distribution-spec, "Listing Referrers", "Pushing Manifests with Subject" and "Referrers
Tag Schema"; cosign, doc "Signature Specification".
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..aio import for_each, off_loop
from ..spec import media_types
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.endpoints import PageQuery
from ..spec.errors import ManifestUnknown, NameUnknown
from ..spec.manifest import Manifest, parse_manifest
from ..spec.preconditions import ETags, Precondition, PreconditionFailed
from ..spec.references import fallback_tag
from ..spec.referrers import describe_referrer
from .errors import SourceManifestInvalid, SourceManifestMissing
from .manifests import SourceManifests
from .place import Place, ReferrersLister, Source, Target
from .run import CopyRun, Filled

MAX_REFERRERS = 10_000
"""The most referrers of one manifest."""
_AT_ONCE = 4
# How often others may change a fallback index at the same time.
_RACES = 5
_COSIGN = (".sig", ".att", ".sbom")
_FALLBACK_TAG = re.compile("sha(?:256|512)-[0-9a-f]{64}")


def is_fallback_tag(tag: str) -> bool:
    """Return whether a tag has the form of those that hold a list of referrers."""
    return _FALLBACK_TAG.fullmatch(tag) is not None


async def list_referrers(place: Place[ReferrersLister], subject: Digest) -> list[Descriptor]:
    """Return all referrers of a manifest that a place lists.

    :raises SourceManifestInvalid: they are too many.
    """
    found: dict[Digest, Descriptor] = {}
    page: PageQuery | None = PageQuery()
    while page is not None:
        listing = await place.registry.list_referrers(place.repository, subject, None, page)
        found |= {entry.digest: entry for entry in listing.entries}
        if len(found) > MAX_REFERRERS:
            raise SourceManifestInvalid(
                f"{place} lists more than {MAX_REFERRERS} referrers of {subject}"
            )
        page = listing.next
    return list(found.values())


@dataclass(frozen=True)
class Attachment:
    """A manifest that belongs to another one: as a referrer, or by a tag of cosign's."""

    descriptor: Descriptor
    tags: tuple[str, ...] = ()

    @property
    def is_referrer(self) -> bool:
        """Whether its subject says what it belongs to."""
        return not self.tags


@dataclass(frozen=True)
class SourceAttachments:
    """Finds what is attached to the manifests of a source."""

    source: Place[Source]
    manifests: SourceManifests

    async def find(self, subject: Digest) -> list[Attachment]:
        """Return what is attached to a manifest.

        A list of referrers may be out of date: entries that the source does not have, and those
        that name another subject, are left out.
        """

        async def referrer(listed: Descriptor) -> Attachment | None:
            manifest = await self.referrer(listed)
            named = manifest.document.subject if manifest else None
            if manifest is None or named is None or named.digest != subject:
                return None
            return Attachment(manifest.descriptor)

        listed = await list_referrers(self.source, subject)
        referrers = await for_each(listed, referrer, limit=_AT_ONCE)
        signatures = await for_each(_COSIGN, lambda end: self._tagged(subject, end), limit=_AT_ONCE)
        return [each for each in (*referrers, *signatures) if each is not None]

    async def referrer(self, listed: Descriptor) -> Manifest | None:
        """Return a manifest that a list has; None if the source does not have it any more."""
        try:
            return await self.manifests.get(listed)
        except SourceManifestMissing:
            return None

    async def _tagged(self, subject: Digest, ending: str) -> Attachment | None:
        tag = f"{subject.algorithm}-{subject.hex}{ending}"
        try:
            found = await self.manifests.resolve(tag)
        except SourceManifestMissing:
            return None
        return Attachment(found, (tag,))


@dataclass(frozen=True)
class FallbackLists:
    """Keeps the lists of referrers of a target that does not keep them itself."""

    target: Place[Target]
    run: CopyRun

    async def add(self, referrer: Manifest) -> None:
        """Enter a manifest in the index under its subject's fallback tag.

        :raises PreconditionFailed: others change that index again and again.
        """
        subject = referrer.document.subject
        assert subject is not None
        tag = fallback_tag(subject.digest)
        lock = self.run.fallback_locks.setdefault(
            Filled.of(self.target, subject.digest), asyncio.Lock()
        )
        async with lock:
            for _ in range(_RACES):
                try:
                    return await self._add(tag, describe_referrer(referrer))
                except PreconditionFailed:
                    continue
            return await self._add(tag, describe_referrer(referrer))

    async def _add(self, tag: str, entry: Descriptor) -> None:
        current = await self._get(tag)
        content = await off_loop(len(current.content) if current else 0, _with, current, entry)
        if content is None:
            return
        # "SHOULD use a conditional HTTP push for registries that support ETag conditions"
        unchanged = (
            Precondition(if_match=ETags(frozenset({str(current.digest)})))
            if current
            else Precondition(if_none_match=ETags(any=True))
        )
        index = parse_manifest(content)
        registry, repository = self.target.registry, self.target.repository
        await self.run.attempt(lambda: registry.push_manifest(repository, index, (tag,), unchanged))

    async def _get(self, tag: str) -> Manifest | None:
        try:
            return await self.target.registry.get_manifest(self.target.repository, tag)
        except (ManifestUnknown, NameUnknown):
            return None


def _with(index: Manifest | None, entry: Descriptor) -> bytes | None:
    """Return an index that lists one more manifest; None if it lists that already.

    What is not an index is replaced: the tag is meant for one.
    """
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_INDEX,
        "manifests": [],
    }
    if index is not None and index.media_type == media_types.OCI_INDEX:
        document = json.loads(index.content)
    listed = document.get("manifests")
    entries: Sequence[object] = listed if isinstance(listed, list) else ()
    digest = str(entry.digest)
    if any(isinstance(each, dict) and each.get("digest") == digest for each in entries):
        return None
    return json.dumps(document | {"manifests": [*entries, entry.to_json()]}).encode()
