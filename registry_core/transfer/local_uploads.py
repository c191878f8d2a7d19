"""Uploads to a folder: each is a temporary file, hashed while it is written.

An upload ends with the process that began it. What a process left behind is deleted by the next one
that opens the folder to write.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from secrets import token_hex

from ..aio import run_to_completion
from ..registry import Chunk, Upload, UploadOutOfOrder
from ..spec import media_types
from ..spec.descriptor import Descriptor
from ..spec.digest import SHA256, Digest
from ..spec.errors import BlobUploadUnknown, DigestInvalid, SizeInvalid
from .compression import pieces_of
from .local_files import Folder, TemporaryFile

# Small pieces are collected up to here: each write takes a turn of a thread.
_COLLECTED = 2**20


@dataclass
class _Open:
    """An upload: its file, how much has arrived, and the hash of that."""

    file: TemporaryFile
    hash: hashlib._Hash
    size: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class LocalUploads:
    """The uploads of this process to a folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._open: dict[str, _Open] = {}

    async def start(self, repository: str, algorithm: str = SHA256) -> Upload:
        """See `registry.Writer.start_upload`."""
        upload = Upload(repository, token_hex(16))
        await run_to_completion(asyncio.to_thread(self._create, upload, algorithm))
        return upload

    async def get(self, upload: Upload) -> Upload:
        """See `registry.Writer.get_upload`."""
        return Upload(upload.repository, upload.id, self._find(upload).size)

    async def append(self, upload: Upload, chunk: Chunk) -> Upload:
        """See `registry.Writer.append_upload`."""
        async with self._taken(upload) as entry:
            await self._append(entry, upload, chunk)
        return await self.get(upload)

    async def finish(self, upload: Upload, digest: Digest, path: str, chunk: Chunk) -> Descriptor:
        """Add a last piece, and move the whole to ``path``; see `registry.Writer.finish_upload`."""
        async with self._taken(upload) as entry:
            await self._append(entry, upload, chunk)
            del self._open[upload.id]
            await run_to_completion(asyncio.to_thread(self._publish, entry, digest, path))
        return Descriptor(media_types.OCTET_STREAM, digest, entry.size)

    async def cancel(self, upload: Upload) -> None:
        """See `registry.Writer.cancel_upload`."""
        async with self._taken(upload) as entry:
            del self._open[upload.id]
            await run_to_completion(asyncio.to_thread(self._folder.discard, entry.file))

    def close(self) -> None:
        """Discard what is not finished."""
        for entry in self._open.values():
            self._folder.discard(entry.file)
        self._open.clear()

    def _create(self, upload: Upload, algorithm: str) -> None:
        file = self._folder.create_temporary()
        self._open[upload.id] = _Open(file, hashlib.new(algorithm))

    def _find(self, upload: Upload) -> _Open:
        if upload.id not in self._open:
            raise BlobUploadUnknown("the upload was finished or cancelled, or is another process's")
        return self._open[upload.id]

    @asynccontextmanager
    async def _taken(self, upload: Upload) -> AsyncIterator[_Open]:
        entry = self._find(upload)
        async with entry.lock:
            self._find(upload)  # it may have ended meanwhile
            yield entry

    async def _append(self, entry: _Open, upload: Upload, chunk: Chunk) -> None:
        if chunk.start not in (None, entry.size):
            raise UploadOutOfOrder(Upload(upload.repository, upload.id, entry.size))
        size, hasher = entry.size, entry.hash.copy()
        async for piece in _collected(chunk):
            await run_to_completion(asyncio.to_thread(_write, entry.file, hasher, size, piece))
            size += len(piece)
        if chunk.length not in (None, size - entry.size):
            raise SizeInvalid(f"{size - entry.size} bytes arrived; {chunk.length} were announced")
        entry.size, entry.hash = size, hasher

    def _publish(self, entry: _Open, digest: Digest, path: str) -> None:
        try:
            _check_digest(entry, digest)
            entry.file.truncate(entry.size)
            self._folder.publish(entry.file, path)
        except BaseException:
            self._folder.discard(entry.file)
            raise
        entry.file.close()


async def _collected(chunk: Chunk) -> AsyncIterator[bytes]:
    """Yield the pieces of a chunk, small ones joined."""
    pieces, size = [], 0
    async for piece in chunk.body:
        pieces.append(piece)
        size += len(piece)
        if size >= _COLLECTED:
            yield b"".join(pieces)
            pieces, size = [], 0
    if size:
        yield b"".join(pieces)


def _write(file: TemporaryFile, hasher: hashlib._Hash, offset: int, piece: bytes) -> None:
    file.write(offset, piece)
    hasher.update(piece)


def _check_digest(entry: _Open, digest: Digest) -> None:
    actual = _digest_of(entry, digest.algorithm)
    if actual != digest:
        raise DigestInvalid(f"the content's digest is {actual}, not {digest}")


def _digest_of(entry: _Open, algorithm: str) -> Digest:
    if entry.hash.name == algorithm:
        return Digest(algorithm, entry.hash.hexdigest())
    hasher = hashlib.new(algorithm)
    for piece in pieces_of(entry.file.stored(entry.size)):
        hasher.update(piece)
    return Digest(algorithm, hasher.hexdigest())
