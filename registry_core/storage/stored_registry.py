"""The registry over an object store: the public way to build one."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from ..caches import Cache, boot_time
from ..globs import NO_TAGS, TagGlobs
from ..object_store.interface import ObjectStore
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
from ..spec.endpoints import PageQuery, Reference
from ..spec.foreign_urls import NO_URLS, ForeignUrls
from ..spec.manifest import Manifest
from ..spec.names import parse_name, parse_tag
from ..spec.preconditions import Precondition
from ..spec.staging import Staging
from .blobs import REDIRECT_MIN_SIZE, Blobs
from .catalog import Catalog
from .condemnation import RELIED_ON
from .content import MANIFEST_CACHE_BYTES, Content
from .deletions import Deletions
from .direct_uploads import DirectUploads
from .layout import Layout
from .manifests import Manifests
from .membership import MEMBERSHIP_SECONDS, Membership
from .recording import Recorder
from .references import MAX_REFERENCES, References
from .referrers import Referrers
from .staged_content import HASH_SECONDS, StagedContent
from .staged_uploads import StagedUploads
from .tags import Tags
from .trash import DELETE_RETENTION, Trash
from .uploads import Uploads

if TYPE_CHECKING:
    from .history import History
    from .restoring import Restoring


class StoredRegistry:
    """A registry that keeps everything in an object store.

    It has no state but caches. Any number of instances, in any number of processes, may share one
    container.

    :ivar deletions: its deletions, with those that are conditional on what was seen.
    :ivar trash: the records of deletions.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        root: str = "",
        redirect: bool = True,
        redirect_min_size: int = REDIRECT_MIN_SIZE,
        direct_upload: bool = True,
        hash_seconds: float = HASH_SECONDS,
        require_blobs: bool = True,
        require_children: bool = True,
        foreign_urls: ForeignUrls | None = NO_URLS,
        max_references: int = MAX_REFERENCES,
        immutable_tags: TagGlobs = NO_TAGS,
        delete_retention: timedelta = DELETE_RETENTION,
        manifest_cache_bytes: int = MANIFEST_CACHE_BYTES,
        membership_seconds: float = MEMBERSHIP_SECONDS,
        writes: bool = True,
        relied_on: float = RELIED_ON,
        clock: Callable[[], float] = boot_time,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Make a registry. Raises nothing, and makes no calls.

        :param store: the object store. The registry does not close it.
        :param root: what all names in the container begin with: empty, or ends with a slash.
        :param redirect: whether clients may fetch blobs from storage themselves, by signed URLs.
        :param redirect_min_size: blobs of up to so many bytes are sent by the registry even so.
        :param direct_upload: whether clients may write uploads to storage themselves, if they may
            fetch blobs there. Without ``require_blobs`` they may stage them only: a manifest would
            be stored without a look for the blobs that were uploaded for it.
        :param hash_seconds: for how long one request hashes what they have written.
        :param require_blobs: refuse a manifest whose blobs are not in the repository.
        :param require_children: refuse an index whose manifests are not in the repository.
        :param foreign_urls: where else than to the registry the ``urls`` of manifests may send
            clients; by default nowhere, None: anywhere.
        :param max_references: the most blobs and manifests that a manifest may reference.
        :param immutable_tags: the tags that are never moved or deleted once they are there.
        :param delete_retention: for how long deletions can be undone. If it is 0, they leave no
            record; otherwise the records go with collections of garbage, which have a setting.
        :param manifest_cache_bytes: how many bytes of manifests are cached.
        :param membership_seconds: for how many seconds is cached which repository has which blobs
            and manifests, and so for how long another instance's deletions may go unnoticed. Half
            of ``relied_on`` at most.
        :param writes: whether this instance has permission to write. One that has not serves reads.
        :param relied_on: for how many seconds a push may rely on what it has observed: half of the
            grace of collections of garbage, at most.
        :param clock: seconds, with those for which the machine was suspended, for all that expires.
        :param now: Unix time, recorded with what is pushed; decides what is long ago.
        """
        layout = Layout(root)
        generations = Cache[str, str](membership_seconds, now=clock)
        membership = Membership(
            store,
            layout,
            blobs=Cache(membership_seconds, now=clock),
            manifests=Cache(membership_seconds, now=clock),
            generations=generations,
            contents=Cache(membership_seconds, now=clock),
            writes=writes,
            clock=clock,
            relied_on=relied_on,
        )
        manifests = Cache[Digest, bytes](capacity=manifest_cache_bytes, size_of=len)
        content = Content(store, layout, manifests, now, clock)
        self._catalog = Catalog(store, layout, generations)
        self._tags = Tags(membership, content, immutable_tags)
        self._blobs = Blobs(membership, redirect, redirect_min_size)
        self._uploads = Uploads(membership, content, now=now)
        self._staged_uploads = StagedUploads(
            self._uploads,
            StagedContent(store, content, hash_seconds),
            direct_upload and redirect,
            now,
        )
        self._direct_uploads = DirectUploads(self._staged_uploads, enabled=require_blobs, now=now)
        self._referrers = Referrers(membership, content)
        self._manifests = Manifests(
            membership,
            content,
            self._catalog,
            self._tags,
            self._referrers,
            References(
                membership,
                self._catalog,
                require_blobs,
                require_children,
                max_references,
                foreign_urls,
            ),
            now=now,
        )
        self.trash = Trash(store, layout, now)
        self.deletions = Deletions(
            membership,
            content,
            self._catalog,
            self._tags,
            self._referrers,
            Recorder(membership, content, self.trash if delete_retention else None),
        )

    @property
    def restoring(self) -> Restoring:
        """What undoes deletions."""
        # Imported late, as history: no request needs it, and imports are the cold start.
        from .restoring import Restoring

        return Restoring(self._manifests, self.trash)

    @property
    def history(self) -> History:
        """What tags have pointed to."""
        from .history import History

        return History(self._manifests, self.trash)

    def for_caller(self, caller: str) -> StoredRegistry:
        """See `Registry`. The name is recorded with what the caller pushes and deletes."""
        bound = copy(self)
        recorder = replace(self.deletions.recorder, deleted_by=caller)
        bound.deletions = replace(self.deletions, recorder=recorder)
        bound._direct_uploads = replace(self._direct_uploads, owner=caller)  # noqa: SLF001 - as below
        bound._manifests = replace(self._manifests, pushed_by=caller)  # noqa: SLF001 - it is a copy of this object
        return bound

    async def open_blob(self, repository: str, digest: Digest) -> Blob:
        return await self._blobs.open_blob(repository, digest)

    async def resolve_blob(self, repository: str, digest: Digest) -> Descriptor:
        return await self._blobs.resolve_blob(repository, digest)

    async def resolve_manifest(self, repository: str, reference: Reference) -> Descriptor:
        return await self._manifests.resolve_manifest(repository, reference)

    async def get_manifest(self, repository: str, reference: Reference) -> Manifest:
        return await self._manifests.get_manifest(repository, reference)

    async def start_upload(self, repository: str, algorithm: str = SHA256) -> Upload:
        return await self._uploads.start_upload(parse_name(repository), algorithm)

    async def get_upload(self, upload: Upload) -> Upload:
        return await self._uploads.get_upload(upload)

    async def append_upload(self, upload: Upload, chunk: Chunk) -> Upload:
        return await self._uploads.append_upload(upload, chunk)

    async def finish_upload(self, upload: Upload, digest: Digest, chunk: Chunk) -> Descriptor:
        return await self._uploads.finish_upload(upload, digest, chunk)

    async def cancel_upload(self, upload: Upload) -> None:
        await self._uploads.cancel_upload(upload)
        await self._staged_uploads.discard(upload)

    async def mount_blob(self, repository: str, digest: Digest, source: str | None) -> Descriptor:
        return await self._blobs.mount_blob(parse_name(repository), digest, source)

    async def open_staging(self, upload: Upload) -> Staging | None:
        return await self._staged_uploads.open_staging(upload)

    async def finish_staged_upload(self, upload: Upload, digest: Digest, blocks: int) -> Descriptor:
        return await self._staged_uploads.finish_staged_upload(upload, digest, blocks)

    async def start_direct_upload(self, repository: str) -> DirectUpload | None:
        return await self._direct_uploads.start_direct_upload(parse_name(repository))

    async def claim_direct_uploads(
        self, repository: str, wanted: Mapping[Digest, int | None]
    ) -> Collection[Digest]:
        return await self._direct_uploads.claim_direct_uploads(parse_name(repository), wanted)

    async def push_manifest(
        self,
        repository: str,
        manifest: Manifest,
        tags: Sequence[str] = (),
        precondition: Precondition | None = None,
    ) -> PushedManifest:
        tags = [parse_tag(tag) for tag in tags]
        name = parse_name(repository)
        return await self._manifests.push_manifest(name, manifest, tags, precondition)

    async def delete_blob(self, repository: str, digest: Digest) -> None:
        await self.deletions.delete_blob(repository, digest)

    async def delete_manifest(self, repository: str, digest: Digest) -> DeletedManifest:
        return await self.deletions.delete_manifest(repository, digest)

    async def delete_tag(
        self, repository: str, tag: str, precondition: Precondition | None = None
    ) -> Digest | None:
        return await self.deletions.delete_tag(repository, parse_tag(tag), precondition)

    async def list_tags(
        self, repository: str, page: PageQuery, *, details: bool = False
    ) -> Listing[TagInfo]:
        return await self._tags.list_tags(repository, page, details=details)

    async def list_manifests(self, repository: str, page: PageQuery) -> Listing[ManifestInfo]:
        return await self._manifests.list_manifests(repository, page)

    async def list_repositories(self, page: PageQuery) -> Listing[str]:
        return await self._catalog.list_repositories(page)

    async def list_referrers(
        self, repository: str, subject: Digest, artifact_type: str | None, page: PageQuery
    ) -> Listing[Descriptor]:
        return await self._referrers.list_referrers(repository, subject, artifact_type, page)
