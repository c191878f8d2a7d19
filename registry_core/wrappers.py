"""Registries made of another one: each delegates every method and overrides one behaviour."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import NoReturn, Self

from .registry import (
    Blob,
    Chunk,
    DeletedManifest,
    DirectUpload,
    Listing,
    ManifestInfo,
    PushedManifest,
    Registry,
    TagInfo,
    Upload,
)
from .spec.descriptor import Descriptor
from .spec.digest import SHA256, Digest
from .spec.endpoints import PageQuery, Reference
from .spec.errors import Unsupported
from .spec.manifest import Manifest
from .spec.preconditions import Precondition
from .spec.staging import Staging


@dataclass
class Delegating:
    """A registry that behaves exactly as ``inner``: the base of wrappers."""

    inner: Registry

    def for_caller(self, caller: str) -> Self:
        bound = copy(self)
        bound.inner = self.inner.for_caller(caller)
        return bound

    async def open_blob(self, repository: str, digest: Digest) -> Blob:
        return await self.inner.open_blob(repository, digest)

    async def resolve_blob(self, repository: str, digest: Digest) -> Descriptor:
        return await self.inner.resolve_blob(repository, digest)

    async def resolve_manifest(self, repository: str, reference: Reference) -> Descriptor:
        return await self.inner.resolve_manifest(repository, reference)

    async def get_manifest(self, repository: str, reference: Reference) -> Manifest:
        return await self.inner.get_manifest(repository, reference)

    async def start_upload(self, repository: str, algorithm: str = SHA256) -> Upload:
        return await self.inner.start_upload(repository, algorithm)

    async def get_upload(self, upload: Upload) -> Upload:
        return await self.inner.get_upload(upload)

    async def append_upload(self, upload: Upload, chunk: Chunk) -> Upload:
        return await self.inner.append_upload(upload, chunk)

    async def finish_upload(self, upload: Upload, digest: Digest, chunk: Chunk) -> Descriptor:
        return await self.inner.finish_upload(upload, digest, chunk)

    async def cancel_upload(self, upload: Upload) -> None:
        await self.inner.cancel_upload(upload)

    async def mount_blob(self, repository: str, digest: Digest, source: str | None) -> Descriptor:
        return await self.inner.mount_blob(repository, digest, source)

    async def push_manifest(
        self,
        repository: str,
        manifest: Manifest,
        tags: Sequence[str] = (),
        precondition: Precondition | None = None,
    ) -> PushedManifest:
        return await self.inner.push_manifest(repository, manifest, tags, precondition)

    async def open_staging(self, upload: Upload) -> Staging | None:
        return await self.inner.open_staging(upload)

    async def finish_staged_upload(self, upload: Upload, digest: Digest, blocks: int) -> Descriptor:
        return await self.inner.finish_staged_upload(upload, digest, blocks)

    async def start_direct_upload(self, repository: str) -> DirectUpload | None:
        return await self.inner.start_direct_upload(repository)

    async def claim_direct_uploads(
        self, repository: str, wanted: Mapping[Digest, int | None]
    ) -> Collection[Digest]:
        return await self.inner.claim_direct_uploads(repository, wanted)

    async def delete_blob(self, repository: str, digest: Digest) -> None:
        await self.inner.delete_blob(repository, digest)

    async def delete_manifest(self, repository: str, digest: Digest) -> DeletedManifest:
        return await self.inner.delete_manifest(repository, digest)

    async def delete_tag(
        self, repository: str, tag: str, precondition: Precondition | None = None
    ) -> Digest | None:
        return await self.inner.delete_tag(repository, tag, precondition)

    async def list_tags(
        self, repository: str, page: PageQuery, *, details: bool = False
    ) -> Listing[TagInfo]:
        return await self.inner.list_tags(repository, page, details=details)

    async def list_manifests(self, repository: str, page: PageQuery) -> Listing[ManifestInfo]:
        return await self.inner.list_manifests(repository, page)

    async def list_repositories(self, page: PageQuery) -> Listing[str]:
        return await self.inner.list_repositories(page)

    async def list_referrers(
        self, repository: str, subject: Digest, artifact_type: str | None, page: PageQuery
    ) -> Listing[Descriptor]:
        return await self.inner.list_referrers(repository, subject, artifact_type, page)


class WithoutDeletion(Delegating):
    """A registry on which every deletion raises `Unsupported`."""

    async def delete_blob(self, repository: str, digest: Digest) -> None:
        self._refuse()

    async def delete_manifest(self, repository: str, digest: Digest) -> DeletedManifest:
        self._refuse()

    async def delete_tag(
        self, repository: str, tag: str, precondition: Precondition | None = None
    ) -> Digest | None:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise Unsupported("deletion is switched off on this registry")


class ReadOnly(WithoutDeletion):
    """A registry on which every write raises `Unsupported`."""

    async def start_upload(self, repository: str, algorithm: str = SHA256) -> Upload:
        self._refuse()

    async def append_upload(self, upload: Upload, chunk: Chunk) -> Upload:
        self._refuse()

    async def finish_upload(self, upload: Upload, digest: Digest, chunk: Chunk) -> Descriptor:
        self._refuse()

    async def cancel_upload(self, upload: Upload) -> None:
        self._refuse()

    async def mount_blob(self, repository: str, digest: Digest, source: str | None) -> Descriptor:
        self._refuse()

    async def open_staging(self, upload: Upload) -> Staging | None:
        self._refuse()

    async def finish_staged_upload(self, upload: Upload, digest: Digest, blocks: int) -> Descriptor:
        self._refuse()

    async def start_direct_upload(self, repository: str) -> DirectUpload | None:
        self._refuse()

    async def claim_direct_uploads(
        self, repository: str, wanted: Mapping[Digest, int | None]
    ) -> Collection[Digest]:
        """Claim nothing: a read that finds a blob missing is not to fail because of this."""
        return ()

    async def push_manifest(
        self,
        repository: str,
        manifest: Manifest,
        tags: Sequence[str] = (),
        precondition: Precondition | None = None,
    ) -> PushedManifest:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise Unsupported("this registry is read-only at present")
