"""Archives as targets of copies: an OCI image layout as a tar, and the form that docker loads.

The layout is built in a temporary folder beside the archive, whose blobs are moved to the archive
at the end, one by one; the archive appears under its name when it is complete. A docker archive is
the same with ``manifest.json`` beside, as Docker 25 and later write it: every manifest keeps its
digest, and ``docker load`` and ``podman load`` of any version find what they look for.

The same content gives the same archive, byte for byte.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from ..registry import PushedManifest
from ..spec import media_types
from ..spec.errors import Unsupported
from ..spec.manifest import Manifest
from ..spec.preconditions import Precondition
from .docker_archive import MANIFEST, ArchivedImage
from .layout_index import Name, full_name, tag_of
from .local_files import FilesError, Folder
from .oci_layout import INDEX, LAYOUT, blob_path
from .oci_layout_target import OciLayoutTarget

_FIRST = (LAYOUT, INDEX, MANIFEST)


class DockerArchiveTarget(OciLayoutTarget):
    """A layout that notes its images for ``manifest.json``. It takes images only."""

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        self._images: dict[tuple[str, tuple[str, ...]], ArchivedImage] = {}

    async def push_manifest(
        self,
        repository: str,
        manifest: Manifest,
        tags: Sequence[str] = (),
        precondition: Precondition | None = None,
    ) -> PushedManifest:
        """See `registry.Writer`. An image is loaded under each tag of ``repository``.

        A tag may be a full name, too, such as ``registry.example.com/app:v1``.

        :raises Unsupported: it is not the manifest of an image.
        """
        config = manifest.document.config
        if config is None:
            raise Unsupported(
                "a docker archive holds images of one platform, not image indexes; select a "
                "platform, or write an OCI archive"
            )
        if config.media_type not in media_types.IMAGE_CONFIGS:
            raise Unsupported(
                f"a docker archive holds images, not artifacts of type {config.media_type[:160]!r};"
                " write an OCI archive"
            )
        pushed = await super().push_manifest(repository, manifest, tags, precondition)
        layers = tuple(blob_path(layer.digest) for layer in manifest.document.layers)
        names = [self.name_of(repository, tag).image for tag in tags]
        named = tuple(name for name in names if name is not None)
        self._note(ArchivedImage(blob_path(config.digest), layers, named))
        return pushed

    def name_of(self, repository: str, tag: str) -> Name:
        """Return the name that an image is loaded under.

        In full, as Docker has it: ``docker.io/library/alpine:3``. Without a repository, a tag names
        nothing to load under.

        :raises TagInvalid: it is not a tag, and not a full name.
        """
        bare = tag_of(Name.parse(tag).reference)
        if bare is None:
            return Name(tag, f"{full_name(tag)}:latest")
        if bare != tag:
            return Name(bare, full_name(tag))
        return Name(tag, f"{full_name(repository)}:{tag}" if repository else None)

    def _note(self, image: ArchivedImage) -> None:
        key = (image.config, image.layers)
        for other, known in self._images.items():
            # A name is that of the image that was pushed last.
            kept = tuple(name for name in known.names if name not in image.names)
            self._images[other] = ArchivedImage(known.config, known.layers, kept)
        before = self._images.get(key, ArchivedImage(*key))
        self._images[key] = ArchivedImage(*key, before.names + image.names)

    def describe(self) -> bytes:
        """Return the content of ``manifest.json``."""
        return json.dumps(
            [
                {
                    "Config": image.config,
                    "RepoTags": list(image.names) or None,
                    "Layers": list(image.layers),
                }
                for image in self._images.values()
            ]
        ).encode()


class ArchiveFile:
    """The archive that a layout becomes: a file, a pipe such as ``/dev/stdout``, or a stream.

    All methods block.
    """

    def __init__(self, path: Path | BinaryIO) -> None:
        """Create a temporary folder, and in it ``folder``, for the layout.

        :raises FilesError: it exists, or the folder cannot be created.
        """
        self._path = path
        self._is_file = isinstance(path, Path) and (path.is_file() or not path.exists())
        if isinstance(path, Path):
            _check_path(path)
        # Beside the archive there is space for it, and it can be renamed.
        beside = path.parent if isinstance(path, Path) and self._is_file else None
        try:
            self._temporary = Path(tempfile.mkdtemp(prefix=".moorage-", dir=beside))
        except OSError as error:
            raise FilesError(f"{error.filename}: {error.strerror}") from error
        self.folder = self._temporary / "layout"

    def discard(self) -> None:
        """Delete the temporary folder."""
        shutil.rmtree(self._temporary)

    def write(self, manifest: bytes | None = None) -> None:
        """Move the layout in ``folder`` to the archive.

        :param manifest: the content of ``manifest.json``, for a docker archive.
        :raises FilesError: it cannot be written.
        """
        try:
            if manifest is not None:
                (self.folder / MANIFEST).write_bytes(manifest)
            if not isinstance(self._path, Path):
                self._write_members(self._path)
                self._path.flush()
            elif self._is_file:
                self._write_file(self._path)
            else:
                with self._path.open("wb") as pipe:
                    self._write_members(pipe)
        except OSError as error:
            raise FilesError(f"the archive cannot be written: {error.strerror}") from error

    def _write_file(self, path: Path) -> None:
        temporary = self._temporary / "archive"
        with temporary.open("wb") as file:
            self._write_members(file)
            file.flush()
            os.fsync(file.fileno())
        _check_path(path)  # somebody else may have written it meanwhile
        temporary.rename(path)

    def _write_members(self, output: BinaryIO) -> None:
        # Whoever reads the stream knows what it is from its first members on.
        with tarfile.open(fileobj=output, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            for path in (self.folder / name for name in _FIRST):
                if path.exists():
                    self._move(path, archive)
            for path in sorted((self.folder / "blobs").rglob("*")):
                self._move(path, archive)

    def _move(self, path: Path, archive: tarfile.TarFile) -> None:
        """Add a file to the archive and delete it: there may be no space for two copies of all."""
        member = tarfile.TarInfo(path.relative_to(self.folder).as_posix())
        if path.is_dir():
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(member)
            return
        member.size = path.stat().st_size
        with path.open("rb") as file:
            archive.addfile(member, file)
        path.unlink()


def _check_path(path: Path) -> None:
    if path.is_dir():
        raise FilesError(f"{path} is a folder; an archive is a file")
    if path.is_file():
        raise FilesError(f"{path} exists already; delete it first, or choose another name")
