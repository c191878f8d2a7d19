"""The members of a tar archive as files, read where they lie in the archive and never unpacked.

Nothing that an archive says leads out of it: names are looked up, not followed, and links lead to
other members. The standard library's tarfile reads the headers, through a reader that bounds what
one of them, and all of them, may take.
"""

from __future__ import annotations

import io
import posixpath
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import BinaryIO, Self, cast

from .compression import GZIP, compression_of, unpacked
from .local_files import FilesError, StoredFile

_MAX_MEMBERS = 200_000
_MAX_HEADER = 2**20
_MAX_HEADERS = 256 * 2**20
_MAX_LINKS = 8

_AMBIGUOUS = "is in the archive more than once"


class TarFiles:
    """The regular files in a tar archive, and links to them. Close it after use."""

    def __init__(self, archive: BinaryIO, where: str) -> None:
        """Read the headers of a file that stays open until this is closed.

        :raises FilesError: it is not a tar archive, is cut off, or has too many members.
        """
        self.where = where
        self._archive = archive
        self._size = archive.seek(0, io.SEEK_END)
        self._files: dict[str, StoredFile] = {}
        self._links: dict[str, str] = {}
        # What cannot be read, and why.
        self._refused: dict[str, str] = {}
        self._read_headers()

    @classmethod
    def of(cls, archive: Path | BinaryIO) -> Self:
        """Open an archive, as it is or compressed by gzip; of a stream or a pipe, a temporary copy.

        :raises FilesError: it cannot be read, or is compressed in another format.
        """
        where = str(archive) if isinstance(archive, Path) else "the archive"
        try:
            file = _opened(archive) if isinstance(archive, Path) else _spooled(archive)
        except OSError as error:
            raise FilesError(f"{where}: {error.strerror}") from error
        try:
            file = _uncompressed(file, where)
            return cls(file, where)
        except BaseException:
            file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._archive.close()

    def __contains__(self, path: str) -> bool:
        return path in self._files or path in self._links or path in self._refused

    def open(self, path: str) -> StoredFile:
        target = self._resolve(path)
        if target in self._refused:
            raise FilesError(f"{self.where}: {target} {self._refused[target]}")
        if target not in self._files:
            raise FileNotFoundError(target)
        return self._files[target]

    def _resolve(self, path: str) -> str:
        for _ in range(_MAX_LINKS):
            if path not in self._links or path in self._refused:
                return path
            path = self._links[path]
        raise FilesError(f"{self.where}: {path} is a link to itself, or to many others in a row")

    def _read_headers(self) -> None:
        try:
            self._read_members()
        except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
            raise FilesError(f"{self.where} is not a tar archive, or damaged: {error}") from error

    def _read_members(self) -> None:
        reader = cast("BinaryIO", _HeaderReader(self._archive, self.where))
        reader.seek(0)
        end = count = 0
        with tarfile.open(fileobj=reader, mode="r:") as archive:
            while (member := archive.next()) is not None:
                count += 1
                # A negative size leads back: without this, to the same headers for ever.
                if member.size < 0 or member.offset_data < end:
                    raise FilesError(f"{self.where} is damaged: the size of a member is negative")
                if count > _MAX_MEMBERS:
                    raise FilesError(f"{self.where} has more than {_MAX_MEMBERS} members")
                end = member.offset_data
                self._add(member)
                archive.members.clear()  # type: ignore[attr-defined] # or all would be kept

    def _add(self, member: tarfile.TarInfo) -> None:
        path = _inside("", member.name)
        if path is None or member.isdir():
            return
        if path in self:
            self._refused[path] = _AMBIGUOUS
        elif member.issym() or member.islnk():
            folder = posixpath.dirname(path) if member.issym() else ""
            target = _inside(folder, member.linkname)
            if target is None:
                self._refused[path] = "is a link that leads out of the archive"
            else:
                self._links[path] = target
        elif not member.isreg() or member.issparse():
            self._refused[path] = "is not a regular file that is stored as a whole"
        else:
            self._add_file(path, member)

    def _add_file(self, path: str, member: tarfile.TarInfo) -> None:
        if member.offset_data + member.size > self._size:
            raise FilesError(f"{self.where} is cut off: the end of {path} is missing")
        where = f"{self.where}: {path}"
        fd = self._archive.fileno()
        self._files[path] = StoredFile(fd, member.offset_data, member.size, where)


class _HeaderReader:
    """What tarfile reads an archive through: only headers, of bounded sizes."""

    def __init__(self, archive: BinaryIO, where: str) -> None:
        self._archive = archive
        self._where = where
        self._read = 0

    def read(self, size: int = -1) -> bytes:
        self._read += size
        if not 0 <= size <= _MAX_HEADER or self._read > _MAX_HEADERS:
            raise FilesError(f"{self._where} has headers that are too long for real ones")
        return self._archive.read(size)

    def seek(self, position: int) -> int:
        return self._archive.seek(position)

    def tell(self) -> int:
        return self._archive.tell()


def _inside(folder: str, name: str) -> str | None:
    """Return the path of a name in a folder of the archive; None if it leads out of it."""
    path = posixpath.normpath(posixpath.join(folder, name))
    return None if path.startswith(("/", "../")) or path in {".", ".."} else path


def _opened(path: Path) -> BinaryIO:
    file = path.open("rb")
    if file.seekable():
        return file
    with file:  # such as /dev/stdin, or what a shell makes of <(docker save app)
        return _spooled(file)


def _spooled(stream: BinaryIO) -> BinaryIO:
    file = tempfile.TemporaryFile(prefix="moorage-")  # noqa: SIM115 - `TarFiles` closes it
    try:
        shutil.copyfileobj(stream, file, 2**20)
        file.flush()
    except BaseException:
        file.close()
        raise
    return file


def _uncompressed(file: BinaryIO, where: str) -> BinaryIO:
    """Return the archive in a file, which is closed if that is another one."""
    stored = StoredFile(file.fileno(), 0, file.seek(0, io.SEEK_END), where)
    compression = compression_of(stored)
    if compression is None:
        return file
    if compression != GZIP:
        raise FilesError(
            f"{where} is compressed with {compression}; only gzip is supported: unpack it first"
        )
    archive = unpacked(stored)
    file.close()
    return archive
