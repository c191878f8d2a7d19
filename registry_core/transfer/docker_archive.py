"""A docker archive (``docker save``, ``podman save``) as a source of copies.

Such an archive holds configs and layers, and ``manifest.json``, which says what belongs to which
image, but no manifests. Each image gets an OCI manifest, of its config as it is and of its layers
compressed by gzip: registries store a third, and the same archive gives the same digests wherever
zlib is the same. Compressed layers stay as they are. The uncompressed ones are compressed to
temporary files first, because the manifest names their digests.

The manifest is not one of Docker's schema 2 because not every tool finds such a manifest in an OCI
layout (umoci, older skopeo), while all of them, and Docker, take OCI manifests from a registry.

Newer archives (Docker 25 and later) are OCI image layouts as well: `oci_layout` reads those.

Source: moby, "Docker Image Specification v1.2.0", "Combined Image JSON + Filesystem Changeset
Format".
"""

from __future__ import annotations

import asyncio
import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TypeGuard

from ..aio import Lazy, for_each, run_to_completion
from ..registry import Listing, TagInfo
from ..spec import media_types
from ..spec.descriptor import Descriptor
from ..spec.digest import Digest
from ..spec.endpoints import PageQuery, Reference
from ..spec.errors import BlobUnknown, DigestInvalid, ManifestUnknown
from ..spec.manifest import Manifest, parse_manifest
from .compression import GZIP, ZSTD, PackedLayer, compression_of, digest_of, packed
from .layout_index import Selection, full_name, listed, load_document, load_object, tag_of
from .local_blobs import LocalBlob, page_of
from .local_files import FilesError, StoredFile
from .tar_files import TarFiles

MANIFEST = "manifest.json"

_LAYER = "application/vnd.oci.image.layer.v1.tar"
_LAYERS = {GZIP: f"{_LAYER}+gzip", ZSTD: f"{_LAYER}+zstd"}
_MAX_BYTES = 8 * 2**20
_MAX_LAYERS = 1000
_PACKED_AT_ONCE = 2


@dataclass(frozen=True)
class ArchivedImage:
    """An image of the archive: the paths of its config and its layers, and its full names."""

    config: str
    layers: tuple[str, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Layer:
    """A layer as it is copied: its descriptor and its content."""

    descriptor: Descriptor
    content: StoredFile
    packed: PackedLayer | None = field(default=None, repr=False)


class DockerArchive:
    """The images of an archive, each of which is read when it is first needed.

    The archive is a repository's place: the methods' ``repository`` is ignored. Close it after use.
    """

    def __init__(self, files: TarFiles) -> None:
        """Read which images the archive has. Blocks.

        :raises FilesError: ``manifest.json`` is missing or malformed.
        """
        self._files = files
        self._where = files.where
        self.images = read_images(files)
        self._manifests = [Lazy(partial(self._make_manifest, image)) for image in self.images]
        self._layers: dict[StoredFile, Lazy[_Layer]] = {}
        self._blobs: dict[Digest, StoredFile] = {}
        self._packed: list[PackedLayer] = []
        self._turns = asyncio.Semaphore(_PACKED_AT_ONCE)

    async def close(self) -> None:
        """Delete the compressed layers. The archive stays open."""
        for image in self._manifests:
            await image.close()
        for each in self._layers.values():
            await each.close()
        for layer in self._packed:
            layer.file.close()

    async def select(self, text: str) -> Selection:
        """Return the image that ``text`` selects: a name, a tag, a digest, ``@0``, or the only one.

        :raises ManifestUnknown: there is none, or several.
        """
        if not text and len(self.images) != 1:
            raise ManifestUnknown(
                f"{self._where} has {len(self.images)} images; name one of {self._names()}, or @0"
            )
        if re.fullmatch(r"@[0-9]{1,9}", text) or not text:
            return await self._select_number(int(text[1:] or 0))
        if text.startswith("sha256:"):
            return Selection(Digest.parse(text))
        manifest = await self.get_manifest("", text)
        return Selection(manifest.digest, tag_of(text))

    async def open_blob(self, repository: str, digest: Digest) -> LocalBlob:
        """See `registry.Reader`. The blobs are those of the manifests that were read."""
        descriptor = await self.resolve_blob(repository, digest)
        return LocalBlob(descriptor, lambda: _kept(self._blobs[digest]))

    async def resolve_blob(self, repository: str, digest: Digest) -> Descriptor:
        """See `registry.Reader`."""
        file = self._blobs.get(digest)
        if file is None:
            raise BlobUnknown(f"{self._where}: no image that was read has the blob {digest}")
        return Descriptor(media_types.OCTET_STREAM, digest, file.size)

    async def resolve_manifest(self, repository: str, reference: Reference) -> Descriptor:
        """See `registry.Reader`."""
        return (await self.get_manifest(repository, reference)).descriptor

    async def get_manifest(self, repository: str, reference: Reference) -> Manifest:
        """See `registry.Reader`. A tag may be a full name, too.

        :raises FilesError: the image is incomplete, or its layers are not what its config says.
        """
        if isinstance(reference, Digest):
            return await self._find_digest(reference)
        number = self._find_name(reference)
        return await self._manifests[number].get()

    async def list_tags(
        self, repository: str, page: PageQuery, *, details: bool = False
    ) -> Listing[TagInfo]:
        """See `registry.Lister`. There are no details before the layers are compressed."""
        tags = {tag_of(name) for image in self.images for name in image.names}
        listing = page_of(sorted(tag for tag in tags if tag is not None), page, str)
        return Listing(tuple(map(TagInfo, listing.entries)), listing.next)

    async def list_referrers(
        self, repository: str, subject: Digest, artifact_type: str | None, page: PageQuery
    ) -> Listing[Descriptor]:
        """Return nothing: a docker archive has images only."""
        return Listing(())

    async def _select_number(self, number: int) -> Selection:
        if number >= len(self.images):
            raise ManifestUnknown(
                f"{self._where} has no image @{number}: it has {len(self.images)}, from @0"
            )
        manifest = await self._manifests[number].get()
        tags = map(tag_of, self.images[number].names)
        return Selection(manifest.digest, next(tags, None))

    async def _find_digest(self, digest: Digest) -> Manifest:
        for lazy in self._manifests:
            manifest = await lazy.get()
            if manifest.digest == digest:
                return manifest
        raise ManifestUnknown(f"{self._where} has no image whose manifest is {digest}")

    def _find_name(self, name: str) -> int:
        for key_of, wanted in ((full_name, full_name(name)), (tag_of, name)):
            found = [
                number
                for number, image in enumerate(self.images)
                if wanted in map(key_of, image.names)
            ]
            if len(found) > 1:
                raise ManifestUnknown(
                    f"{self._where} has several images {name[:160]!r}; name one of {self._names()}"
                )
            if found:
                return found[0]
        raise ManifestUnknown(f"{self._where} has no image {name[:160]!r}, only {self._names()}")

    def _names(self) -> str:
        names = [name for image in self.images for name in image.names]
        return listed(names) or "images without names"

    async def _make_manifest(self, image: ArchivedImage) -> Manifest:
        config, diff_ids = await asyncio.to_thread(self._read_config, image)
        layers = await for_each(
            zip(image.layers, diff_ids, strict=True),
            lambda layer: self._prepare(*layer),
            limit=_PACKED_AT_ONCE,
        )
        for layer in layers:
            self._blobs[layer.descriptor.digest] = layer.content
        digest = await asyncio.to_thread(digest_of, config)
        self._blobs[digest] = config
        document = {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_MANIFEST,
            "config": Descriptor(media_types.OCI_CONFIG, digest, config.size).to_json(),
            "layers": [layer.descriptor.to_json() for layer in layers],
        }
        return parse_manifest(json.dumps(document, separators=(",", ":")).encode())

    def _read_config(self, image: ArchivedImage) -> tuple[StoredFile, Sequence[Digest]]:
        file = _open(self._files, image.config)
        config = load_object(file.read_all(_MAX_BYTES), file.where)
        diff_ids = _diff_ids(config, file.where)
        if len(diff_ids) != len(image.layers):
            raise FilesError(
                f"{file.where} names {len(diff_ids)} layers, {MANIFEST} {len(image.layers)}"
            )
        return file, diff_ids

    async def _prepare(self, path: str, diff_id: Digest) -> _Layer:
        """Return a layer, compressed once for all images that have it."""
        file = await asyncio.to_thread(_open, self._files, path)
        layer = await self._layers.setdefault(file, Lazy(lambda: self._compress(file))).get()
        if layer.packed is not None and layer.packed.diff_id != diff_id:
            raise FilesError(f"{file.where}: its digest is {layer.packed.diff_id}, not {diff_id}")
        return layer

    async def _compress(self, file: StoredFile) -> _Layer:
        async with self._turns:
            compression = await asyncio.to_thread(compression_of, file)
            if compression not in (None, *_LAYERS):
                raise FilesError(
                    f"{file.where} is compressed with {compression}; layers are uncompressed, or "
                    f"compressed with {' or '.join(_LAYERS)}"
                )
            if compression is not None:
                digest = await asyncio.to_thread(digest_of, file)
                return _Layer(Descriptor(_LAYERS[compression], digest, file.size), file)
            layer = await run_to_completion(asyncio.to_thread(self._pack, file))
        content = layer.stored(file.where)
        return _Layer(Descriptor(_LAYERS[GZIP], layer.digest, layer.size), content, layer)

    def _pack(self, file: StoredFile) -> PackedLayer:
        layer = packed(file)
        self._packed.append(layer)
        return layer


def read_images(files: TarFiles) -> list[ArchivedImage]:
    """Return the images that ``manifest.json`` lists.

    :raises FilesError: it is missing or malformed.
    """
    try:
        file = files.open(MANIFEST)
    except FileNotFoundError:
        raise FilesError(f"{files.where} is not a docker archive: it has no {MANIFEST}") from None
    document = load_document(file.read_all(_MAX_BYTES), file.where)
    if not isinstance(document, list) or not all(isinstance(entry, dict) for entry in document):
        raise FilesError(f"{file.where} is not a list of images")
    return [_image(entry, f"{file.where}[{number}]") for number, entry in enumerate(document)]


def _image(entry: Mapping[str, object], where: str) -> ArchivedImage:
    config = entry.get("Config")
    layers, names = entry.get("Layers") or [], entry.get("RepoTags") or []
    if not isinstance(config, str) or not _are_texts(layers) or not _are_texts(names):
        raise FilesError(f"{where} is not an image: Config, Layers or RepoTags are not as expected")
    if len(layers) > _MAX_LAYERS:
        raise FilesError(f"{where} has {len(layers)} layers, more than {_MAX_LAYERS}")
    return ArchivedImage(config, tuple(layers), tuple(names))


def _are_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _diff_ids(config: Mapping[str, object], where: str) -> Sequence[Digest]:
    rootfs = config.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if diff_ids is None:
        diff_ids = []
    if not _are_texts(diff_ids):
        raise FilesError(f"{where} is not the config of an image: rootfs.diff_ids is not a list")
    try:
        return [Digest.parse(text) for text in diff_ids]
    except DigestInvalid as error:
        raise FilesError(f"{where}: rootfs.diff_ids: {error}") from error


def _open(files: TarFiles, path: str) -> StoredFile:
    try:
        return files.open(posixpath.normpath(path))
    except FileNotFoundError:
        raise FilesError(f"{files.where} is incomplete: {path[:160]!r} is missing") from None


def _kept(file: StoredFile) -> AbstractContextManager[StoredFile]:
    """Return a file that is closed with the archive."""
    return nullcontext(file)
