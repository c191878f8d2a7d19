"""Files of a folder or an archive on this machine, read by people who may not trust them.

A `Folder` reads and writes regular files below it and nothing else: symbolic links are not followed
anywhere below it, and FIFOs, devices and sockets are refused. What it writes appears whole or not
at all: it is written to a temporary file, synced and renamed. Everything here blocks: call it in a
thread.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from ..spec.errors import RegistryError

_TEMPORARY = ".moorage-"
_LOCK_SECONDS = 60.0

_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_OPEN_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


class FilesError(RegistryError):
    """A folder or archive cannot be read or written, or is not what it should be.

    The message names it, and what is wrong.
    """


@dataclass(frozen=True)
class StoredFile:
    """``size`` bytes of an open file, from ``start``; ``where`` names them in messages.

    Closing it closes the file, if that is ``owned``. ``version`` differs once the content does.
    """

    fd: int
    start: int
    size: int
    where: str
    owned: bool = False
    version: tuple[int, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.owned:
            os.close(self.fd)

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``.

        :raises FilesError: they cannot be read, or the file is shorter now.
        """
        pieces = []
        while length > 0:
            try:
                piece = os.pread(self.fd, length, self.start + offset)
            except OSError as error:
                raise _failure(self.where, error) from error
            if not piece:
                raise FilesError(f"{self.where} is cut off: its end is missing")
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
        return b"".join(pieces)

    def read_all(self, limit: int) -> bytes:
        """Return the whole content.

        :raises FilesError: it has more than ``limit`` bytes, or cannot be read.
        """
        if self.size > limit:
            raise FilesError(f"{self.where} has {self.size} bytes; at most {limit} are read")
        return self.read_at(0, self.size)


class Files(Protocol):
    """Files by their paths, which are relative and separated by slashes."""

    @property
    def where(self) -> str:
        """The folder or archive, for messages."""

    def open(self, path: str) -> StoredFile:
        """Return a regular file, to be closed by the caller.

        :raises FileNotFoundError: there is none.
        :raises FilesError: it is not a regular file, or cannot be read.
        """


class Folder:
    """A folder and the files below it; see the module. Close it after use."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        """Open a folder.

        :param create: create it, and the folders above it, where they are missing.
        :raises FilesError: it does not exist, or cannot be opened.
        """
        self.where = str(path)
        try:
            if create:
                path.mkdir(parents=True, exist_ok=True)
            # The folder itself may be reached through links: whoever named it knows them.
            self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _failure(self.where, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the folder; do so once only, and use it no more."""
        os.close(self._fd)

    def open(self, path: str) -> StoredFile:
        where = f"{self.where}/{path}"
        try:
            with self._parent_of(path) as (folder, name):
                fd = os.open(name, _OPEN_FILE, dir_fd=folder)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _failure(where, error) from error
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            raise FilesError(f"{where} is not a regular file")
        version = (status.st_ino, status.st_size, status.st_mtime_ns)
        return StoredFile(fd, 0, status.st_size, where, owned=True, version=version)

    def names(self) -> list[str]:
        """Return the names of all that is directly in the folder."""
        return os.listdir(self._fd)  # noqa: PTH208 - pathlib cannot list a descriptor

    def write(self, path: str, content: bytes) -> None:
        """Write a file, replacing the one that is there.

        :raises FilesError: it cannot be written.
        """
        temporary = self.create_temporary()
        try:
            temporary.write(0, content)
            self.publish(temporary, path)
        except BaseException:
            self.discard(temporary)
            raise
        temporary.close()

    def create_temporary(self) -> TemporaryFile:
        """Return a new, empty file that only this process uses.

        :raises FilesError: it cannot be created.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            while True:
                name = _TEMPORARY + secrets.token_hex(8)
                fd = os.open(name, flags, 0o666, dir_fd=self._fd)
                fcntl.flock(fd, fcntl.LOCK_EX)
                if os.fstat(fd).st_nlink:
                    return TemporaryFile(name, fd, f"{self.where}/{name}")
                os.close(fd)  # another process took it for an abandoned one before it was locked
        except OSError as error:
            raise _failure(self.where, error) from error

    def publish(self, temporary: TemporaryFile, path: str) -> None:
        """Give a temporary file its final path, replacing the file that is there.

        The content and the name survive a crash of the machine from here on.

        :raises FilesError: it cannot be written, or the path leads through something else than
            folders.
        """
        try:
            os.fsync(temporary.fd)
            with self._parent_of(path, create=True) as (folder, name):
                os.rename(temporary.name, name, src_dir_fd=self._fd, dst_dir_fd=folder)
                os.fsync(folder)
        except OSError as error:
            raise _failure(f"{self.where}/{path}", error) from error

    def discard(self, temporary: TemporaryFile) -> None:
        """Close and delete a temporary file, unless it has been published."""
        try:
            os.unlink(temporary.name, dir_fd=self._fd)
        except FileNotFoundError:
            pass  # published
        finally:
            temporary.close()

    def discard_abandoned(self) -> None:
        """Delete the temporary files of processes that ended before they did it."""
        for name in self.names():
            if name.startswith(_TEMPORARY):
                self._discard_if_abandoned(name)

    def _discard_if_abandoned(self, name: str) -> None:
        try:
            fd = os.open(name, _OPEN_FILE, dir_fd=self._fd)
        except OSError:
            return  # gone meanwhile, or not a file of ours
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if stat.S_ISREG(os.fstat(fd).st_mode):
                os.unlink(name, dir_fd=self._fd)
        except (BlockingIOError, FileNotFoundError):
            pass  # in use, or published meanwhile
        finally:
            os.close(fd)

    def remove(self, path: str) -> None:
        """Delete a file that exists."""
        with self._parent_of(path) as (folder, name):
            os.unlink(name, dir_fd=folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all others who lock the folder, in this process or another one, from it meanwhile.

        :raises FilesError: another process keeps it for a minute.
        """
        fd = os.open(".", _OPEN_FOLDER, dir_fd=self._fd)
        try:
            self._lock(fd)
            yield
        finally:
            os.close(fd)

    def _lock(self, fd: int) -> None:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise FilesError(f"{self.where} is locked by another process") from None
                time.sleep(0.02)
            except OSError as error:
                raise _failure(self.where, error) from error
            else:
                return

    @contextmanager
    def _parent_of(self, path: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
        """Open the folder that a path leads to, and give its name there."""
        *folders, name = path.split("/")
        fd = os.dup(self._fd)
        try:
            for folder in folders:
                following = _open_folder(folder, fd, create=create)
                os.close(fd)
                fd = following
            yield fd, name
        finally:
            os.close(fd)


class TemporaryFile:
    """A file that is being written; see `Folder.create_temporary`."""

    def __init__(self, name: str, fd: int, where: str) -> None:
        self.name = name
        self.fd = fd
        self._where = where

    def write(self, offset: int, data: bytes) -> None:
        """Write at ``offset``.

        :raises FilesError: it cannot be written, for lack of space for example.
        """
        view = memoryview(data)
        try:
            while view:
                written = os.pwrite(self.fd, view, offset)
                view, offset = view[written:], offset + written
        except OSError as error:
            raise _failure(self._where, error) from error

    def truncate(self, size: int) -> None:
        """Discard what follows the first ``size`` bytes."""
        os.ftruncate(self.fd, size)

    def stored(self, size: int) -> StoredFile:
        """Return the first ``size`` bytes, for as long as the file is open."""
        return StoredFile(self.fd, 0, size, self._where)

    def close(self) -> None:
        os.close(self.fd)


def _open_folder(name: str, parent: int, *, create: bool) -> int:
    if create:
        try:
            os.mkdir(name, dir_fd=parent)
            os.fsync(parent)
        except FileExistsError:
            pass
    return os.open(name, _OPEN_FOLDER, dir_fd=parent)


def _failure(where: str, error: OSError) -> FilesError:
    if error.errno == errno.ELOOP:
        return FilesError(
            f"{where} is a symbolic link, which is not followed; copy the folder with links "
            "resolved (cp -RL) and use the copy"
        )
    if error.errno == errno.ENOTDIR:
        return FilesError(f"{where}: not a folder, or behind a symbolic link; none is followed")
    return FilesError(f"{where}: {error.strerror}")
