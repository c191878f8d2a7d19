"""A registry over HTTP, as a `Registry`.

What HTTP does not carry: the answer to a deletion does not say which manifest and tags are gone;
a list of tags not when they were set; and nothing lists a repository's manifests.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Self

from ..registry import (
    Blob,
    Chunk,
    DeletedManifest,
    DirectUpload,
    Listing,
    ManifestInfo,
    PushedManifest,
    TagInfo,
    Upload,
)
from ..spec.descriptor import Descriptor
from ..spec.digest import SHA256, Digest
from ..spec.endpoints import MountBlob, PageQuery, Reference
from ..spec.errors import BlobUnknown, NameUnknown
from ..spec.manifest import Manifest
from ..spec.names import parse_name
from ..spec.preconditions import Precondition
from ..spec.staging import Staging
from .blobs import Blobs
from .listings import Listings
from .manifests import Manifests
from .meanings import about
from .options import ClientOptions
from .session import Session
from .staging import Staged
from .uploads import Uploads


class HttpRegistry:
    """Any OCI registry, spoken to over HTTP.

    Every method raises what `Registry` says; `Unauthorized`, `Denied` and `TooManyRequests` besides
    where the registry answers so, and `Unavailable` where it cannot be reached or its answers do
    not follow the specification. The errors name the registry and the repository.

    It holds no content: blobs pass through in pieces, and a push keeps one chunk or a few blocks
    of them, to send these again. What is read by digest is verified if it is a manifest; a blob's
    reader has to hash it.
    """

    def __init__(self, session: Session) -> None:
        """Make a registry of an open session. Nothing is sent."""
        self._session = session
        self._blobs = Blobs(session)
        self._manifests = Manifests(session)
        self._uploads = Uploads(session, self._blobs)
        self._staged = Staged(session, self._uploads, self._blobs)
        self._listings = Listings(session, self._manifests)

    @classmethod
    @asynccontextmanager
    async def open(cls, options: ClientOptions) -> AsyncGenerator[Self, None]:
        """Open a session with a registry, and close it in the end. Nothing is sent yet.

        :raises ValueError: see `Session.open`.
        """
        async with Session.open(options) as session:
            yield cls(session)

    def for_caller(self, caller: str) -> Self:
        """See `Registry`: this registry. The caller is who the session's credentials say."""
        return self

    async def open_blob(self, repository: str, digest: Digest) -> Blob:
        return await self._blobs.open_blob(repository, digest)

    async def resolve_blob(self, repository: str, digest: Digest) -> Descriptor:
        return await self._blobs.resolve_blob(repository, digest)

    async def resolve_manifest(self, repository: str, reference: Reference) -> Descriptor:
        return await self._manifests.resolve_manifest(repository, reference)

    async def get_manifest(self, repository: str, reference: Reference) -> Manifest:
        return await self._manifests.get_manifest(repository, reference)

    async def start_upload(self, repository: str, algorithm: str = SHA256) -> Upload:
        return await self._uploads.start_upload(repository, algorithm)

    async def get_upload(self, upload: Upload) -> Upload:
        return await self._uploads.get_upload(upload)

    async def append_upload(self, upload: Upload, chunk: Chunk) -> Upload:
        return await self._uploads.append_upload(upload, chunk)

    async def finish_upload(self, upload: Upload, digest: Digest, chunk: Chunk) -> Descriptor:
        return await self._staged.finish_upload(upload, digest, chunk)

    async def cancel_upload(self, upload: Upload) -> None:
        await self._uploads.cancel_upload(upload)

    async def mount_blob(self, repository: str, digest: Digest, source: str | None) -> Descriptor:
        """See `Writer`. One POST, and a HEAD for the size; a DELETE where the blob is missing."""
        endpoint = MountBlob(parse_name(repository), digest, source)
        with about(self._session, repository, NameUnknown, "the repository"):
            async with self._session.request(
                "POST",
                endpoint,
                body=b"",
                ok=(HTTPStatus.CREATED, HTTPStatus.ACCEPTED),
                scopes=(*endpoint.scopes, *endpoint.optional_scopes),
            ) as answer:
                begun = (
                    self._uploads.begun(answer, repository)
                    if answer.status == HTTPStatus.ACCEPTED
                    else None
                )
        if begun is not None:
            await self._uploads.discard(begun)
            raise BlobUnknown(
                f"{self._session.options.origin.authority}/{repository}: {digest} cannot be "
                f"mounted from {source or 'any repository'}; it is not there, or may not be read"
            )
        return await self._blobs.resolve_blob(repository, digest)

    async def push_manifest(
        self,
        repository: str,
        manifest: Manifest,
        tags: Sequence[str] = (),
        precondition: Precondition | None = None,
    ) -> PushedManifest:
        return await self._manifests.push_manifest(repository, manifest, tags, precondition)

    async def open_staging(self, upload: Upload) -> Staging | None:
        return await self._staged.open_staging(upload)

    async def finish_staged_upload(self, upload: Upload, digest: Digest, blocks: int) -> Descriptor:
        return await self._staged.finish_staged_upload(upload, digest, blocks)

    async def start_direct_upload(self, repository: str) -> DirectUpload | None:
        return await self._staged.start_direct_upload(repository)

    async def claim_direct_uploads(
        self, repository: str, wanted: Mapping[Digest, int | None]
    ) -> Collection[Digest]:
        return await self._staged.claim_direct_uploads(repository, wanted)

    async def delete_blob(self, repository: str, digest: Digest) -> None:
        await self._blobs.delete_blob(repository, digest)

    async def delete_manifest(self, repository: str, digest: Digest) -> DeletedManifest:
        return await self._manifests.delete_manifest(repository, digest)

    async def delete_tag(
        self, repository: str, tag: str, precondition: Precondition | None = None
    ) -> Digest | None:
        return await self._manifests.delete_tag(repository, tag, precondition)

    async def list_tags(
        self, repository: str, page: PageQuery, *, details: bool = False
    ) -> Listing[TagInfo]:
        return await self._listings.list_tags(repository, page, details=details)

    async def list_manifests(self, repository: str, page: PageQuery) -> Listing[ManifestInfo]:
        return await self._listings.list_manifests(repository, page)

    async def list_repositories(self, page: PageQuery) -> Listing[str]:
        return await self._listings.list_repositories(page)

    async def list_referrers(
        self, repository: str, subject: Digest, artifact_type: str | None, page: PageQuery
    ) -> Listing[Descriptor]:
        return await self._listings.list_referrers(repository, subject, artifact_type, page)
