"""OCI layouts and archives on this machine, opened to be copied from or to.

Their transports are called as skopeo calls them (containers-transports(5)): ``oci``,
``oci-archive`` and ``docker-archive``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from ..aio import run_to_completion
from .archive_target import ArchiveFile, DockerArchiveTarget
from .docker_archive import DockerArchive
from .layout_index import Selection
from .local_files import FilesError, Folder
from .oci_layout import LAYOUT, OciLayout
from .oci_layout_target import OciLayoutTarget
from .place import Source
from .tar_files import TarFiles


class LocalSource(Source, Protocol):
    """A layout or an archive; the methods' ``repository`` is ignored."""

    async def select(self, text: str) -> Selection:
        """Return the manifest that the part of a reference behind the path selects.

        A tag, a full name such as ``docker.io/library/alpine:3``, a digest, or ``@N``: the entry
        number N, from 0. An empty text selects the only manifest.

        :raises ManifestUnknown: there is none, or several.
        :raises DigestInvalid: the text is a malformed digest.
        """


@asynccontextmanager
async def open_source(transport: str, path: Path | BinaryIO) -> AsyncIterator[LocalSource]:
    """Open a layout or an archive to copy from it.

    :param path: a stream is copied to a temporary file first; it must be an archive.
    :raises FilesError: it is missing, or not what it should be.
    """
    if transport == "oci":
        folder = await asyncio.to_thread(Folder, _folder_path(path))
        with folder:
            layout = OciLayout(folder)
            await layout.check()
            yield layout
        return
    files = await run_to_completion(asyncio.to_thread(TarFiles.of, path))
    with files:
        # A docker archive is a layout as well, since Docker 25; then manifests are as they were.
        if transport == "oci-archive" or LAYOUT in files:
            layout = OciLayout(files)
            await layout.check()
            yield layout
            return
        archive = await asyncio.to_thread(DockerArchive, files)
        try:
            yield archive
        finally:
            await archive.close()


@asynccontextmanager
async def open_target(transport: str, path: Path | BinaryIO) -> AsyncIterator[OciLayoutTarget]:
    """Open a layout or an archive to copy to it.

    A layout is created where there is none, and keeps what it has. An archive is written when the
    block ends, unless by an exception; one that exists is not replaced.

    :raises FilesError: something is in the way, or it cannot be written.
    """
    if transport == "oci":
        layout = await run_to_completion(
            asyncio.to_thread(OciLayoutTarget.create, _folder_path(path))
        )
        try:
            yield layout
        finally:
            await run_to_completion(asyncio.to_thread(layout.close))
        return
    archive = await asyncio.to_thread(ArchiveFile, path)
    try:
        kind = DockerArchiveTarget if transport == "docker-archive" else OciLayoutTarget
        target = await run_to_completion(asyncio.to_thread(kind.create, archive.folder))
        try:
            yield target
        finally:
            await run_to_completion(asyncio.to_thread(target.close))
        manifest = target.describe() if isinstance(target, DockerArchiveTarget) else None
        await run_to_completion(asyncio.to_thread(archive.write, manifest))
    finally:
        await run_to_completion(asyncio.to_thread(archive.discard))


def _folder_path(path: Path | BinaryIO) -> Path:
    if not isinstance(path, Path):
        raise FilesError("an OCI layout is a folder, not a stream; use oci-archive")
    return path
