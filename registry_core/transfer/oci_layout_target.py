"""An OCI image layout in a folder as a target of copies.

Blobs appear whole or not at all, and ``index.json`` is replaced as a whole, by one process at a
time: a reader, or a crash, never meets anything half written. What else the layout lists stays.

Source: OCI image-spec, "OCI Image Layout".
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Self

from ..aio import for_each, run_to_completion
from ..registry import Chunk, DirectUpload, PushedManifest, Upload
from ..spec.descriptor import Descriptor
from ..spec.digest import SHA256, Digest
from ..spec.endpoints import Reference
from ..spec.errors import BlobUnknown, ManifestBlobUnknown, ManifestUnknown, Unsupported
from ..spec.manifest import Manifest
from ..spec.preconditions import Precondition
from ..spec.staging import Staging
from .layout_index import MAX_INDEX_BYTES, LayoutIndex, Name
from .local_files import FilesError, Folder
from .local_uploads import LocalUploads
from .oci_layout import INDEX, LAYOUT, VERSION, OciLayout, blob_path, check_layout

_CHECKED_AT_ONCE = 8


class OciLayoutTarget(OciLayout):
    """A layout that is read and written. Close it after use."""

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        self._folder = folder
        self._uploads = LocalUploads(folder)
        self._lock = asyncio.Lock()
        # What this process listed without a name, until an index that has it is pushed.
        self._unnamed: set[Digest] = set()

    @classmethod
    def create(cls, path: Path) -> Self:
        """Open the layout in a folder, which is created where it is missing. Blocks.

        :raises FilesError: the folder holds something else, or cannot be written.
        """
        folder = Folder(path, create=True)
        try:
            with folder.locked():
                folder.discard_abandoned()
                _create_layout(folder)
        except BaseException:
            folder.close()
            raise
        return cls(folder)

    def close(self) -> None:
        """Discard unfinished uploads, and close the folder."""
        self._uploads.close()
        self._folder.close()

    async def resolve_manifest(self, repository: str, reference: Reference) -> Descriptor:
        """See `registry.Reader`: whether something needs to be pushed.

        A tag is there if an entry has it as a push would write it. A referrer that the index does
        not list is not there yet: nobody would find it. A process that was killed can have left it.
        """
        index = await self.read_index()
        if isinstance(reference, str):
            listed = index.find_name(self.name_of(repository, reference))
            if listed is None:
                raise ManifestUnknown(f"{index.where} has no manifest named {reference[:160]!r}")
            reference = listed.digest
        manifest = await self.get_manifest(repository, reference)
        if manifest.document.subject and index.find_digest(manifest.digest) is None:
            raise ManifestUnknown(f"{index.where} does not list the referrer {manifest.digest}")
        return manifest.descriptor

    async def start_upload(self, repository: str, algorithm: str = SHA256) -> Upload:
        """See `registry.Writer`."""
        return await self._uploads.start(repository, algorithm)

    async def get_upload(self, upload: Upload) -> Upload:
        """See `registry.Writer`."""
        return await self._uploads.get(upload)

    async def append_upload(self, upload: Upload, chunk: Chunk) -> Upload:
        """See `registry.Writer`."""
        return await self._uploads.append(upload, chunk)

    async def finish_upload(self, upload: Upload, digest: Digest, chunk: Chunk) -> Descriptor:
        """See `registry.Writer`. A file that is there is replaced: it may have been damaged."""
        return await self._uploads.finish(upload, digest, blob_path(digest), chunk)

    async def cancel_upload(self, upload: Upload) -> None:
        """See `registry.Writer`."""
        await self._uploads.cancel(upload)

    async def mount_blob(self, repository: str, digest: Digest, source: str | None) -> Descriptor:
        """Return the descriptor of a blob that is there: a layout has no repositories."""
        return await self.resolve_blob(repository, digest)

    async def push_manifest(
        self,
        repository: str,
        manifest: Manifest,
        tags: Sequence[str] = (),
        precondition: Precondition | None = None,
    ) -> PushedManifest:
        """See `registry.Writer`. A tag may be a full name, too, which is written as it is.

        A manifest without tags is listed without a name, unless it belongs to a listed index that
        this process pushes. Manifests that an index lists may be missing, as the specification has
        it.
        """
        names = [self.name_of(repository, tag) for tag in tags]
        await self._check_blobs(manifest)
        subject = manifest.document.subject
        async with self._lock:
            await run_to_completion(asyncio.to_thread(self._push, manifest, names, precondition))
        return PushedManifest(manifest.descriptor, subject.digest if subject else None)

    def name_of(self, repository: str, tag: str) -> Name:
        """Return the name that a tag becomes.

        :raises TagInvalid: it is not a tag, and not a full name.
        """
        return Name.parse(tag)

    async def open_staging(self, upload: Upload) -> Staging | None:
        """None: a layout has no staging."""
        return None

    async def finish_staged_upload(self, upload: Upload, digest: Digest, blocks: int) -> Descriptor:
        """:raises Unsupported: always; see `open_staging`."""
        raise Unsupported("an OCI image layout has no staged uploads")

    async def start_direct_upload(self, repository: str) -> DirectUpload | None:
        """None: nothing can be put past this process."""
        return None

    async def claim_direct_uploads(
        self, repository: str, wanted: Mapping[Digest, int | None]
    ) -> Collection[Digest]:
        """Return nothing: there are none."""
        return ()

    async def _check_blobs(self, manifest: Manifest) -> None:
        blobs = {blob.digest for blob in manifest.document.required_blobs}
        found = await for_each(sorted(blobs), self._has, limit=_CHECKED_AT_ONCE)
        missing = [digest for digest, there in zip(sorted(blobs), found, strict=True) if not there]
        if missing:
            raise ManifestBlobUnknown(detail=missing)

    async def _has(self, digest: Digest) -> bool:
        try:
            await self.resolve_blob("", digest)
        except BlobUnknown:
            return False
        return True

    def _push(
        self,
        manifest: Manifest,
        names: Sequence[Name],
        precondition: Precondition | None,
    ) -> None:
        with self._folder.locked():
            index = self._read_index()
            if precondition is not None and names:
                current = index.find_name(names[0])
                precondition.check(current.digest if current else None)
            self._folder.write(blob_path(manifest.digest), manifest.content)
            children = {child.digest for child in manifest.document.manifests}
            following = index.with_manifest(
                manifest.descriptor, names, without=children & self._unnamed
            )
            if following != index:
                self._write_index(following)
        self._unnamed -= children
        if not names and not manifest.document.subject:
            self._unnamed.add(manifest.digest)

    def _write_index(self, index: LayoutIndex) -> None:
        content = index.to_json()
        if len(content) > MAX_INDEX_BYTES:
            raise FilesError(f"{index.where} would have more than {MAX_INDEX_BYTES} bytes")
        self._folder.write(INDEX, content)


def _create_layout(folder: Folder) -> None:
    names = folder.names()
    if LAYOUT in names:
        check_layout(folder)
    elif names:
        raise FilesError(f"{folder.where} is not empty, and not an OCI image layout: no {LAYOUT}")
    else:
        folder.write(LAYOUT, json.dumps({"imageLayoutVersion": VERSION}).encode())
    if INDEX not in names:
        folder.write(INDEX, LayoutIndex(INDEX).to_json())
