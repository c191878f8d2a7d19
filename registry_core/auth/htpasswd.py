"""Users of a password file: who shows a name and its password is let in."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from .htpasswd_file import BCRYPT_LENGTH, HtpasswdInvalid, cost, parse_htpasswd
from .identity import Identity
from .password_checks import PasswordChecks

_log = logging.getLogger(__name__)

HTPASSWD = "htpasswd"
"""The `Identity.source` of its users."""

LOOK_SECONDS = 5.0  # how often the file is looked at, at most

_Stamp: TypeAlias = tuple[int, int, int]


class Htpasswd:
    """`IdentitySource` of a password file's users.

    The file is read again when it changes, and all that is remembered is forgotten. Where it has
    become invalid, that is logged, and what was read before stays.
    """

    def __init__(self, text: str, file: str = "htpasswd") -> None:
        """A text that never changes. ``file`` is what problems call it.

        :raises HtpasswdInvalid:
        """
        self._hashes = parse_htpasswd(text, file)
        self._checks = PasswordChecks()
        self._path: Path | None = None
        self._stamp: _Stamp | None = None
        self._looked = time.monotonic()

    @classmethod
    def from_file(cls, path: Path) -> Htpasswd:
        """:raises HtpasswdInvalid: its content is wrong, or it cannot be read."""
        stamp = _stamp(path)
        made = cls(_read(path), str(path))
        made._path, made._stamp = path, stamp
        return made

    @classmethod
    def of(cls, text: str, path: Path | None) -> Htpasswd:
        """Users of a file, read again when it changes, or of ``text`` where there is none."""
        return cls.from_file(path) if path else cls(text)

    async def identify(self, name: str, secret: str) -> Identity | None:
        """:raises Unavailable: too many others are waiting to be checked."""
        await self._look()
        shown = secret.encode(errors="surrogatepass")
        hashes = self._hashes
        passes = await self._checks.passes(
            name.encode(errors="surrogatepass"), shown, lambda: _check(hashes, name, shown)
        )
        return Identity(name, HTPASSWD) if passes else None

    async def fingerprint(self, name: str) -> str | None:
        """Of a user's line; it changes with the password. None for who is no user."""
        await self._look()
        hashed = self._hashes.get(name)
        return hashlib.sha256(hashed).hexdigest() if hashed else None

    async def _look(self) -> None:
        if self._path is None or time.monotonic() < self._looked + LOOK_SECONDS:
            return
        self._looked = time.monotonic()  # before waiting: one request looks, not all of them
        try:
            stamp = await asyncio.to_thread(_stamp, self._path)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            text = await asyncio.to_thread(_read, self._path)
            self._hashes = parse_htpasswd(text, str(self._path))
        except HtpasswdInvalid as error:
            _log.error("the users stay as they were: %s", "; ".join(error.problems))
            return
        self._checks.forget()
        _log.info("%s has changed; it names %d users", self._path, len(self._hashes))


def _check(hashes: Mapping[str, bytes], name: str, secret: bytes) -> bool:
    """Costs as much for a user that is not there: the time does not tell who is."""
    import bcrypt

    known = hashes.get(name)
    hashed = known or b"$2b$%02d$" % max(map(cost, hashes.values())) + b"." * 53
    # Of a longer password bcrypt has always taken the beginning, under Apache and distribution too.
    return bcrypt.checkpw(secret[:BCRYPT_LENGTH], hashed) and known is not None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HtpasswdInvalid([_unreadable(path, error)]) from None


def _stamp(path: Path) -> _Stamp:
    """Differs when the file's content does. :raises HtpasswdInvalid: there is none."""
    try:
        status = path.stat()
    except OSError as error:
        raise HtpasswdInvalid([_unreadable(path, error)]) from None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _unreadable(path: Path, error: OSError | UnicodeDecodeError) -> str:
    reason = error.strerror if isinstance(error, OSError) else f"is not UTF-8 ({error.reason})"
    return f"{path}: {reason}"
