"""Direct uploads are claimed when somebody looks for the blob: at a manifest's push, or a read.

The registry does not see that such an upload arrives, so that the blob is missing until then. To
look for it costs nothing where it is not missing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from ..aio import for_each, run_to_completion
from ..auth.caller import Caller
from ..registry import Blob, ClaimUnfinished, PushedManifest, Registry
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.endpoints import Endpoint, GetBlob, HeadBlob, PushManifest
from ..spec.errors import BlobUnknown, ManifestBlobUnknown
from ..spec.manifest import Manifest, ManifestDocument
from ..spec.media_types import MANIFESTS
from ..spec.preconditions import Precondition
from ..spec.scopes import PULL, PUSH, repository_scope
from ..wrappers import Delegating
from .direct_clients import may_upload_directly

Claimed = Callable[[str, Collection[Digest]], None]
"""Called with a repository, and the digests of the blobs that were made there of uploads."""

# How many blobs are looked up at the same time.
_AT_ONCE = 8


def with_claims(
    registry: Registry,
    endpoint: Endpoint,
    caller: Caller,
    agent: str,
    claimed: Claimed,
) -> Registry:
    """Return the registry for one request: one that claims, where that can find anything.

    Only a client that uploads to storage has anything to claim, and only a caller who may push: a
    claim writes.

    :param agent: the header ``User-Agent``.
    :param claimed: called for what the request has made of uploads.
    """
    if not isinstance(endpoint, (HeadBlob, GetBlob, PushManifest)):
        return registry
    if not may_upload_directly(agent):
        return registry
    if caller.lacks([repository_scope(endpoint.repository, PULL, PUSH)]):
        return registry
    return Claiming(registry, claimed)


@dataclass
class Claiming(Delegating):
    """A registry that claims the caller's direct uploads when a blob is missing.

    `push_manifest` raises `ClaimUnfinished` besides, and the same call again goes on. Whoever only
    looks for a blob finds it missing then: clients look for each blob before they upload it, and
    would give up after some answers of that kind.
    """

    claimed: Claimed

    async def open_blob(self, repository: str, digest: Digest) -> Blob:
        try:
            return await self.inner.open_blob(repository, digest)
        except BlobUnknown:
            if not await self._finds(repository, digest):
                raise
        return await self.inner.open_blob(repository, digest)

    async def resolve_blob(self, repository: str, digest: Digest) -> Descriptor:
        try:
            return await self.inner.resolve_blob(repository, digest)
        except BlobUnknown:
            if not await self._finds(repository, digest):
                raise
        return await self.inner.resolve_blob(repository, digest)

    async def _finds(self, repository: str, digest: Digest) -> bool:
        """Return whether a blob was claimed, as far as there was time to look for it."""
        try:
            return digest in await self._claim(repository, {digest: None})
        except ClaimUnfinished:
            return False

    async def push_manifest(
        self,
        repository: str,
        manifest: Manifest,
        tags: Sequence[str] = (),
        precondition: Precondition | None = None,
    ) -> PushedManifest:
        sizes = _blob_sizes(manifest.document)
        await self._claim_optional(repository, manifest.document, sizes)
        while True:
            try:
                return await self.inner.push_manifest(repository, manifest, tags, precondition)
            except ManifestBlobUnknown:
                # The error need not name all that is missing, so that all are claimed at once: a
                # claim may take most of the time that a request has.
                found = await self._claim(repository, sizes) if sizes else ()
                if not found:
                    raise
                sizes = {each: size for each, size in sizes.items() if each not in found}

    async def _claim_optional(
        self, repository: str, document: ManifestDocument, sizes: Mapping[Digest, int]
    ) -> None:
        """Claim blobs that the manifest may lack: its push need not find them missing.

        They are layers that clients are not to distribute, and have uploaded all the same, and
        blobs that an index lists. One call for each.
        """
        optional = sizes.keys() - {blob.digest for blob in document.required_blobs}
        present = await self._present(repository, optional)
        if wanted := {each: sizes[each] for each in optional - present}:
            await self._claim(repository, wanted)

    async def _claim(
        self, repository: str, wanted: Mapping[Digest, int | None]
    ) -> Collection[Digest]:
        """Return the wanted digests that were found.

        A client that hangs up does not end it: it writes, and what it has made is to be on record.

        :raises ClaimUnfinished:
        """
        return await run_to_completion(self._claim_recorded(repository, wanted))

    async def _claim_recorded(
        self, repository: str, wanted: Mapping[Digest, int | None]
    ) -> Collection[Digest]:
        """Claim, and say what was made, also where the claim ends early."""
        try:
            found = await self.inner.claim_direct_uploads(repository, wanted)
        except ClaimUnfinished as error:
            self.claimed(repository, error.claimed)
            raise
        self.claimed(repository, found)
        return wanted.keys() & set(found)

    async def _present(self, repository: str, digests: Collection[Digest]) -> set[Digest]:
        """Return those of the digests that the repository has. One call for each."""

        async def look(digest: Digest) -> Digest | None:
            try:
                await self.inner.resolve_blob(repository, digest)
            except BlobUnknown:
                return None
            return digest

        return set(filter(None, await for_each(sorted(digests), look, limit=_AT_ONCE)))


def _blob_sizes(document: ManifestDocument) -> dict[Digest, int]:
    """Return the sizes of the blobs in a manifest. BuildKit's caches are indexes of them."""
    listed = (each for each in document.manifests if each.media_type not in MANIFESTS)
    return {blob.digest: blob.size for blob in (*document.blobs, *listed)}
