"""Direct uploads are claimed when somebody looks for the blob: at a manifest's push, or a read.

The registry does not see that such an upload arrives, so that the blob is missing until then. To
look for it costs nothing where it is not missing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from ..aio import for_each
from ..auth.caller import Caller
from ..registry import Blob, ClaimUnfinished, PushedManifest, Registry
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.endpoints import Endpoint, GetBlob, HeadBlob, PushManifest
from ..spec.errors import BlobUnknown, ManifestBlobUnknown
from ..spec.manifest import Manifest
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

    Each method raises `ClaimUnfinished` besides, and the same call again goes on.
    """

    claimed: Claimed

    async def open_blob(self, repository: str, digest: Digest) -> Blob:
        try:
            return await self.inner.open_blob(repository, digest)
        except BlobUnknown:
            if not await self._claim(repository, {digest: None}):
                raise
        return await self.inner.open_blob(repository, digest)

    async def resolve_blob(self, repository: str, digest: Digest) -> Descriptor:
        try:
            return await self.inner.resolve_blob(repository, digest)
        except BlobUnknown:
            if not await self._claim(repository, {digest: None}):
                raise
        return await self.inner.resolve_blob(repository, digest)

    async def push_manifest(
        self,
        repository: str,
        manifest: Manifest,
        tags: Sequence[str] = (),
        precondition: Precondition | None = None,
    ) -> PushedManifest:
        unclaimed = {blob.digest: blob.size for blob in manifest.document.blobs}
        await self._claim_optional(repository, manifest, unclaimed)
        while True:
            try:
                return await self.inner.push_manifest(repository, manifest, tags, precondition)
            except ManifestBlobUnknown as error:
                # The error need not name all that is missing: there may be more after each claim.
                wanted = {digest: unclaimed[digest] for digest in _missing(error, unclaimed)}
                found = await self._claim(repository, wanted) if wanted else ()
                if not found:
                    raise
                for digest in found:
                    unclaimed.pop(digest, None)

    async def _claim_optional(
        self, repository: str, manifest: Manifest, sizes: Mapping[Digest, int]
    ) -> None:
        """Claim blobs that the manifest may lack: its push does not find them missing.

        They are layers that clients are not to distribute, and have uploaded all the same. One call
        for each.
        """
        required = {blob.digest for blob in manifest.document.required_blobs}
        present = await self._present(repository, sizes.keys() - required)
        if wanted := {each: sizes[each] for each in sizes.keys() - required - present}:
            await self._claim(repository, wanted)

    async def _claim(
        self, repository: str, wanted: Mapping[Digest, int | None]
    ) -> Collection[Digest]:
        """Return the wanted digests that were found.

        :raises ClaimUnfinished:
        """
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


def _missing(error: ManifestBlobUnknown, sizes: Mapping[Digest, int]) -> Sequence[Digest]:
    """Return those of the blobs that the error names."""
    named = set(map(str, error.detail)) if isinstance(error.detail, list) else set()
    return [digest for digest in sizes if str(digest) in named]
