"""Compression of archives and layers: recognized, undone within limits, done reproducibly."""

from __future__ import annotations

import gzip
import hashlib
import io
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from ..spec.digest import SHA256, Digest
from .local_files import FilesError, StoredFile

GZIP = "gzip"
ZSTD = "zstd"

PIECE = 2**20
"""Bytes that are read at a time."""

_MAGIC = {
    b"\x1f\x8b": GZIP,
    b"\x28\xb5\x2f\xfd": ZSTD,
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
}
_LONGEST_MAGIC = max(map(len, _MAGIC))

# gzip reaches 1032:1; archives of images stay far below.
_MAX_RATIO = 200
_UNSUSPICIOUS = 256 * 2**20

_GZIP_FORMAT = 31  # zlib's window bits of gzip, whose header then names no file and no time
_LEVEL = 6


def compression_of(file: StoredFile) -> str | None:
    """Return the name of the format that a file is compressed in; None if in none that is known."""
    head = file.read_at(0, min(file.size, _LONGEST_MAGIC))
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def pieces_of(file: StoredFile) -> Iterator[bytes]:
    """Yield the content of a file in pieces."""
    for offset in range(0, file.size, PIECE):
        yield file.read_at(offset, min(PIECE, file.size - offset))


def digest_of(file: StoredFile) -> Digest:
    """Return the sha256 of a file's content."""
    hasher = hashlib.sha256()
    for piece in pieces_of(file):
        hasher.update(piece)
    return Digest(SHA256, hasher.hexdigest())


def unpacked(file: StoredFile) -> BinaryIO:
    """Return a temporary file with what a file compressed by gzip contains.

    :raises FilesError: it is damaged, or expands to more than any real archive.
    """
    output = tempfile.TemporaryFile(prefix="moorage-")  # noqa: SIM115 - the caller closes it
    try:
        for piece in _unpacked_pieces(file):
            output.write(piece)
        output.flush()
    except OSError as error:
        output.close()
        raise FilesError(f"{file.where} cannot be unpacked: {error.strerror}") from error
    except BaseException:
        output.close()
        raise
    return output


def _unpacked_pieces(file: StoredFile) -> Iterator[bytes]:
    """Yield what a file compressed by gzip contains, at most `PIECE` bytes at a time."""
    left = max(_UNSUSPICIOUS, _MAX_RATIO * file.size)
    try:
        with gzip.GzipFile(fileobj=FileReader(file)) as stream:
            while piece := stream.read(PIECE):
                left -= len(piece)
                if left < 0:
                    raise FilesError(
                        f"{file.where} expands to more than {_MAX_RATIO} times its size; if it is "
                        "meant to, unpack it with gzip -d first"
                    )
                yield piece
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FilesError(f"{file.where} is damaged: {error}") from error


class FileReader(io.RawIOBase):
    """A file from its beginning, for whoever reads streams."""

    def __init__(self, file: StoredFile) -> None:
        self._file = file
        self._offset = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        length = min(len(buffer), self._file.size - self._offset)
        buffer[:length] = self._file.read_at(self._offset, length)
        self._offset += length
        return length


@dataclass(frozen=True)
class PackedLayer:
    """A layer compressed by gzip: its file, its digest, and the digest of what it contains."""

    file: BinaryIO
    size: int
    digest: Digest
    diff_id: Digest

    def stored(self, where: str) -> StoredFile:
        """Return the compressed layer, for as long as ``file`` is open."""
        return StoredFile(self.file.fileno(), 0, self.size, where)


def packed(file: StoredFile) -> PackedLayer:
    """Return a layer compressed by gzip, in a temporary file.

    The same content gives the same bytes, wherever zlib is the same.

    :raises FilesError: the layer cannot be read, or the temporary file not written.
    """
    output = tempfile.TemporaryFile(prefix="moorage-")  # noqa: SIM115 - the caller closes it
    try:
        return _pack(file, output)
    except OSError as error:
        output.close()
        raise FilesError(f"{file.where} cannot be compressed: {error.strerror}") from error
    except BaseException:
        output.close()
        raise


def _pack(file: StoredFile, output: BinaryIO) -> PackedLayer:
    content, compressed, size = hashlib.sha256(), hashlib.sha256(), 0
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_FORMAT)
    for piece in pieces_of(file):
        content.update(piece)
        size += _write(output, compressed, packer.compress(piece))
    size += _write(output, compressed, packer.flush())
    output.flush()
    digest, diff_id = (Digest(SHA256, hash_.hexdigest()) for hash_ in (compressed, content))
    return PackedLayer(output, size, digest, diff_id)


def _write(output: BinaryIO, hasher: hashlib._Hash, data: bytes) -> int:
    hasher.update(data)
    return output.write(data)
