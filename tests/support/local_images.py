"""Images in OCI layouts and docker archives, made by hand, and copies of them."""

import io
import json
import tarfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from registry_core.registry import Chunk
from registry_core.spec.digest import Digest
from registry_core.transfer.copy import copy_manifest
from registry_core.transfer.place import Place, Source, Target
from registry_core.transfer.report import CopyReport

Members = Mapping[str, bytes | tarfile.TarInfo]


async def copy(
    source: Source, digest: Digest, target: Target, tags: Sequence[str] = (), repository: str = ""
) -> CopyReport:
    """Copy a manifest and all that it references."""
    places = Place(source, "", "source"), Place(target, repository, "target")
    return await copy_manifest(places[0], digest, places[1], tags)


async def read_blob(source: Source, digest: Digest, offset: int = 0) -> bytes:
    """Return a blob's content from an offset on."""
    blob = await source.open_blob("", digest)
    body = await blob.read(offset, blob.descriptor.size - offset)
    return b"".join([piece async for piece in body])


async def push_blob(target: Target, content: bytes, algorithm: str = "sha256") -> Digest:
    """Push a blob in two pieces."""
    digest = Digest.of(content, algorithm)
    upload = await target.start_upload("", algorithm)
    half = len(content) // 2
    upload = await target.append_upload(upload, chunk(content[:half]))
    await target.finish_upload(upload, digest, chunk(content[half:]))
    return digest


def chunk(content: bytes = b"", *, start: int | None = None, length: int | None = None) -> Chunk:
    """Return a piece of an upload."""

    async def body() -> AsyncIterator[bytes]:
        for offset in range(0, len(content), 1000):
            yield content[offset : offset + 1000]

    return Chunk(body(), start, length)


def write_layout(
    folder: Path, blobs: Sequence[bytes], entries: Sequence[Mapping[str, object]]
) -> None:
    """Write an OCI layout with blobs and the entries of its index."""
    (folder / "blobs" / "sha256").mkdir(parents=True)
    for blob in blobs:
        (folder / "blobs" / "sha256" / Digest.of(blob).hex).write_bytes(blob)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))


def write_tar(path: Path, members: Members, mode: str = "w") -> Path:
    """Write a tar archive; a member is its content, or a header without content."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, member in members.items():
            if isinstance(member, bytes):
                header = tarfile.TarInfo(name)
                header.size = len(member)
                archive.addfile(header, io.BytesIO(member))
            else:
                member.name = name
                archive.addfile(member)
    return path


def link(target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    """Return the header of a link."""
    header = tarfile.TarInfo()
    header.type, header.linkname = kind, target
    return header


def layer(name: str = "file", content: bytes = b"content") -> bytes:
    """Return an uncompressed layer with one file."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        header = tarfile.TarInfo(name)
        header.size = len(content)
        archive.addfile(header, io.BytesIO(content))
    return output.getvalue()


def image_config(*layers: bytes) -> bytes:
    """Return the config of an image with uncompressed layers."""
    diff_ids = [str(Digest.of(each)) for each in layers]
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    return json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs}).encode()
