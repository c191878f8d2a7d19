"""An OCI image layout as a source of copies: in a folder, or in a tar archive.

A layout has no repositories: the methods' ``repository`` is ignored. Its manifests are all that
have a blob there; what ``index.json`` lists has tags, and is searched for referrers.

Source: OCI image-spec, "OCI Image Layout".
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from ..aio import for_each
from ..registry import Listing, TagInfo
from ..spec import media_types
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.endpoints import PageQuery, Reference
from ..spec.errors import BlobUnknown, ManifestInvalid, ManifestUnknown
from ..spec.manifest import MAX_MANIFEST_BYTES, Manifest, detect_media_type
from ..spec.references import fallback_tag
from ..spec.referrers import describe_referrer
from .layout_index import MAX_INDEX_BYTES, LayoutIndex, Selection, load_object
from .local_blobs import LocalBlob, page_of
from .local_files import Files, FilesError, StoredFile

INDEX = "index.json"
LAYOUT = "oci-layout"
VERSION = "1.0.0"

_MAX_LAYOUT_BYTES = 64 * 2**10
_READ_AT_ONCE = 8


@dataclass(frozen=True)
class _Referrer:
    """A manifest that names a subject."""

    subject: Digest
    referrer: Descriptor


class OciLayout:
    """The manifests and blobs of a layout."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._index: tuple[tuple[int, ...], LayoutIndex] | None = None
        # What each manifest that was looked at says about its subject.
        self._subjects: dict[Digest, _Referrer | None] = {}

    async def check(self) -> None:
        """Check that this is a layout of a known version.

        :raises FilesError: it is not.
        """
        await asyncio.to_thread(check_layout, self._files)

    async def select(self, text: str) -> Selection:
        """Return the manifest that ``text`` selects; see `LayoutIndex.select`."""
        return (await self.read_index()).select(text)

    async def open_blob(self, repository: str, digest: Digest) -> LocalBlob:
        """See `registry.Reader`."""
        descriptor = await self.resolve_blob(repository, digest)
        return LocalBlob(descriptor, lambda: self._files.open(blob_path(digest)))

    async def resolve_blob(self, repository: str, digest: Digest) -> Descriptor:
        """See `registry.Reader`. The content is not hashed."""
        size = await asyncio.to_thread(self._size_of, digest)
        if size is None:
            raise BlobUnknown(f"{self._files.where} has no blob {digest}")
        return Descriptor(media_types.OCTET_STREAM, digest, size)

    async def resolve_manifest(self, repository: str, reference: Reference) -> Descriptor:
        """See `registry.Reader`."""
        return (await self.get_manifest(repository, reference)).descriptor

    async def get_manifest(self, repository: str, reference: Reference) -> Manifest:
        """See `registry.Reader`. A tag may be a full name, too; see `LayoutIndex.find_tag`."""
        if isinstance(reference, Digest):
            return await asyncio.to_thread(self._read_manifest, reference)
        listed = (await self.read_index()).find_tag(reference)
        return await asyncio.to_thread(self._read_manifest, listed.digest)

    async def list_tags(
        self, repository: str, page: PageQuery, *, details: bool = False
    ) -> Listing[TagInfo]:
        """See `registry.Lister`. A tag that names several manifests has no digest."""
        index = await self.read_index()
        listing = page_of(index.tags, page, str)
        if not details:
            return Listing(tuple(map(TagInfo, listing.entries)), listing.next)
        return Listing(tuple(_describe_tag(index, tag) for tag in listing.entries), listing.next)

    async def list_referrers(
        self, repository: str, subject: Digest, artifact_type: str | None, page: PageQuery
    ) -> Listing[Descriptor]:
        """See `registry.Lister`. All manifests that ``index.json`` lists are read, once."""
        index = await self.read_index()
        wanted = {listed.digest for listed in index.manifests} | await self._fallback(subject)
        await for_each(wanted - self._subjects.keys(), self._note_subject, limit=_READ_AT_ONCE)
        found = (self._subjects.get(digest) for digest in sorted(wanted))
        referrers = [
            entry.referrer
            for entry in found
            if entry is not None
            and entry.subject == subject
            and artifact_type in (None, entry.referrer.artifact_type)
        ]
        return page_of(referrers, page, lambda referrer: str(referrer.digest))

    async def read_index(self) -> LayoutIndex:
        """Return the index as it is now.

        :raises FilesError: it is missing or malformed.
        """
        return await asyncio.to_thread(self._read_index)

    def _read_index(self) -> LayoutIndex:
        with open_required(self._files, INDEX) as file:
            known = self._index
            if known is None or known[0] != file.version:
                index = LayoutIndex.parse(file.read_all(MAX_INDEX_BYTES), file.where)
                known = self._index = (file.version, index)
        return known[1]

    async def _fallback(self, subject: Digest) -> set[Digest]:
        """Return the referrers in the list that a tag names, where clients keep one.

        Source: OCI distribution-spec, "Referrers Tag Schema".
        """
        tag = fallback_tag(subject)
        index = await self.read_index()
        if tag not in index.tags:
            return set()
        listed = await self.get_manifest("", tag)
        return {referrer.digest for referrer in listed.document.manifests}

    async def _note_subject(self, digest: Digest) -> None:
        # A layout may lack manifests that it lists, or list other things.
        with suppress(ManifestUnknown, ManifestInvalid):
            self._subjects[digest] = await asyncio.to_thread(self._read_subject, digest)

    def _read_subject(self, digest: Digest) -> _Referrer | None:
        manifest = self._read_manifest(digest)
        subject = manifest.document.subject
        return None if subject is None else _Referrer(subject.digest, describe_referrer(manifest))

    def _size_of(self, digest: Digest) -> int | None:
        try:
            with self._files.open(blob_path(digest)) as file:
                return file.size
        except FileNotFoundError:
            return None

    def _read_manifest(self, digest: Digest) -> Manifest:
        try:
            with self._files.open(blob_path(digest)) as file:
                if file.size > MAX_MANIFEST_BYTES:
                    raise ManifestUnknown(
                        f"{file.where} has {file.size} bytes, too many for a manifest"
                    )
                content = file.read_all(MAX_MANIFEST_BYTES)
        except FileNotFoundError:
            raise ManifestUnknown(f"{self._files.where} has no manifest {digest}") from None
        if Digest.of(content, digest.algorithm) != digest:
            raise ManifestUnknown(f"{self._files.where}: the manifest {digest} is damaged")
        try:
            media_type = detect_media_type(content)
        except ManifestInvalid as error:
            raise ManifestUnknown(f"{self._files.where}: {digest}: {error}") from error
        return Manifest(Descriptor(media_type, digest, len(content)), content)


def check_layout(files: Files) -> Mapping[str, object]:
    """Return the content of ``oci-layout``.

    :raises FilesError: it is missing, or of an unknown version.
    """
    with open_required(files, LAYOUT) as file:
        document = load_object(file.read_all(_MAX_LAYOUT_BYTES), file.where)
    if document.get("imageLayoutVersion") != VERSION:
        raise FilesError(f"{files.where}/{LAYOUT}: imageLayoutVersion is not {VERSION}")
    return document


def open_required(files: Files, path: str) -> StoredFile:
    """Return a file that every layout has.

    :raises FilesError: it is missing.
    """
    try:
        return files.open(path)
    except FileNotFoundError:
        raise FilesError(f"{files.where} is not an OCI image layout: it has no {path}") from None


def blob_path(digest: Digest) -> str:
    """Return the path of a blob."""
    return f"blobs/{digest.algorithm}/{digest.hex}"


def _describe_tag(index: LayoutIndex, tag: str) -> TagInfo:
    try:
        listed = index.find_tag(tag)
    except ManifestUnknown:
        return TagInfo(tag)
    return TagInfo(tag, listed.digest, listed.media_type, listed.size)
