"""Password files: Apache's htpasswd with bcrypt hashes, as distribution reads them.

Source: httpd.apache.org/docs/2.4/misc/password_encryptions.html
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from ...aio import SharedReads, off_loop
from ...spec.errors import Unavailable
from ..identity import HTPASSWD, Identity, Login
from .password_checks import PasswordChecks

_log = logging.getLogger(__name__)

BCRYPT_LENGTH = 72
"""How many bytes of a password bcrypt looks at."""

LEAST_COST, MOST_COST = 4, 16

# The salt's last character carries 2 bits, the other 4 are zero.
_BCRYPT = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")

_Stamp: TypeAlias = tuple[int, int, int]

_ONE_AT_A_TIME = 3600.0  # seconds; two looks at once could apply the older one last
_COARSEST_NS = 2_000_000_000  # the resolution of timestamps on FAT


class HtpasswdInvalid(Exception):
    """``problems``: one line of text each, with file and line. None quotes a hash."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def parse_htpasswd(text: str, file: str) -> Mapping[str, bytes]:
    """Return the hashes of a password file by user name. ``file`` is its name in messages.

    :raises HtpasswdInvalid: something is wrong with it; says all of it.
    """
    users, problems = _parse(text.encode(errors="surrogatepass"), file)
    if not users and not problems:
        problems = [
            f"{file}: names no user; make a line with: python -m registry_core auth hash USER"
        ]
    if problems:
        raise HtpasswdInvalid(problems)
    return users


def _parse(content: bytes, file: str) -> tuple[Mapping[str, bytes], list[str]]:
    """Return the users of the lines that are right, and what is wrong with the others.

    Of several lines for a user, the first counts, as with Apache.
    """
    users: dict[str, bytes] = {}
    lines: dict[str, int] = {}
    problems: list[str] = []
    text = content.decode(errors="replace").removeprefix("\ufeff")
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line.startswith("#"):
            continue
        name, _, hashed = line.partition(":")
        if problem := _problem(name, hashed, lines.get(name)):
            problems.append(f"{file}:{number}: {problem}")
        else:
            users[name] = hashed.encode()
        lines.setdefault(name, number)
    return users, problems


def _problem(name: str, hashed: str, earlier_line: int | None) -> str:
    if not name or not hashed:
        return "is not of the form user:hash"
    if "\ufffd" in name:
        return "the user name is not in UTF-8"
    if earlier_line is not None:
        return f"user {name!r} is already on line {earlier_line}"
    match = _BCRYPT.fullmatch(hashed)
    if match is None:
        return (
            f"the hash of user {name!r} is not from bcrypt ($2a$, $2b$, $2y$); make a new one: "
            "htpasswd -B"
        )
    if not LEAST_COST <= int(match[1]) <= MOST_COST:
        return (
            f"the hash of user {name!r} has the cost {match[1]}; it must be from {LEAST_COST} to "
            f"{MOST_COST}"
        )
    return ""


def htpasswd_line(user: str, password: str, cost: int) -> str:
    """Return the line of a password file for a user.

    :param cost: the logarithm of the work that a check takes.
    :raises ValueError: the name or the password cannot be used. The text does not quote the
        password.
    """
    import bcrypt

    if not user or user != user.strip() or user.startswith("#") or not user.isprintable():
        raise ValueError(f"{user!r} cannot be a user name")
    if ":" in user:
        raise ValueError(f"{user!r} cannot be a user name: it contains a colon")
    if not password:
        raise ValueError("the password is empty")
    length = len(password.encode())
    if length > BCRYPT_LENGTH:
        raise ValueError(
            f"the password is {length} bytes long in UTF-8; bcrypt uses {BCRYPT_LENGTH} at most"
        )
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost))
    return f"{user}:{hashed.decode()}"


class Htpasswd:
    """`IdentitySource` of the users of a password file.

    Each request sees the file as it is: a user who was removed is gone at once, and so are all if
    the file is gone. A damaged line costs nobody but its own user, and is logged once.
    """

    name = HTPASSWD

    def __init__(self, text: str, file: str = "htpasswd") -> None:
        """Take the users from a text. ``file`` is its name in messages.

        :raises HtpasswdInvalid: it is not a valid password file.
        """
        self._checks = PasswordChecks()
        self._users = parse_htpasswd(text, file)
        self._file: _File | None = None
        self._reads = SharedReads(self._read_again, patience=_ONE_AT_A_TIME)

    @classmethod
    def from_file(cls, path: Path) -> Htpasswd:
        """Take the users from a file, now and whenever it changes.

        :raises HtpasswdInvalid: it cannot be read, or is not a valid password file.
        """
        file = _File(path)
        try:
            text = file.read().decode()
        except (OSError, UnicodeDecodeError) as error:
            raise HtpasswdInvalid([_unreadable(path, error)]) from None
        source = cls(text, str(path))
        source._file = file
        return source

    async def log_in(self, name: str, secret: str, *, client: str = "") -> Login | None:
        """Return the login of a user by their password.

        :raises TooManyRequests: too many other passwords are being checked.
        :raises Unavailable: the file cannot be read.
        """
        users = await self._current()
        password = secret.encode(errors="surrogatepass")
        passes = await self._checks.passes(
            name.encode(errors="surrogatepass"),
            password,
            lambda: _check(users, name, password),
            client=client,
        )
        if not passes:
            return None
        return Login(Identity(name, HTPASSWD), HTPASSWD, _fingerprint(users[name]))

    async def renew(self, login: Login) -> Login | None:
        """Return the login unless the user's line has changed or gone.

        :raises Unavailable: the file cannot be read.
        """
        hashed = (await self._current()).get(login.identity.name)
        return login if hashed and _fingerprint(hashed) == login.credential else None

    async def has_user(self, name: str) -> bool:
        """Whether the file has a line for the user.

        :raises Unavailable: the file cannot be read.
        """
        return name in await self._current()

    async def _current(self) -> Mapping[str, bytes]:
        """Return the users, looking at the file first. Requests at the same time share a look."""
        return self._users if self._file is None else await self._reads.get(self._file)

    async def _read_again(self, file: _File) -> Mapping[str, bytes]:
        try:
            content = await asyncio.to_thread(file.read_if_changed)
        except OSError as error:
            raise Unavailable(
                _unreadable(file.path, error), public="passwords cannot be checked now"
            ) from None
        if content is not None:
            self._users, problems = await off_loop(len(content), _parse, content, str(file.path))
            self._checks.forget()
            _log_change(file.path, self._users, problems)
        return self._users


def _log_change(path: Path, users: Mapping[str, bytes], problems: Sequence[str]) -> None:
    if problems:
        _log.error("ignored in the password file: %s", "; ".join(problems))
    if users:
        _log.info("the password file %s has changed; users: %d", path, len(users))
    else:
        _log.error("the password file %s is missing or names no user: nobody can log in", path)


class _File:
    """A file that is read when it has changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: _Stamp | None = None
        self._digest = b""

    def read(self) -> bytes:
        """:raises OSError: it cannot be read."""
        now = time.time_ns()
        status = self.path.stat()  # before reading: a change meanwhile is seen next time
        content = self.path.read_bytes()
        # Timestamps are coarse: a second change may leave the stamp of the first.
        is_settled = abs(now - status.st_mtime_ns) > _COARSEST_NS
        self._seen = _stamp(status) if is_settled else None
        self._digest = _digest(content)
        return content

    def read_if_changed(self) -> bytes | None:
        """Return the content if it has changed since it was read; empty without a file.

        :raises OSError: it cannot be read.
        """
        before = self._digest
        try:
            if self._seen is not None and self._seen == _stamp(self.path.stat()):
                return None
            content = self.read()
        except FileNotFoundError:
            content, self._seen, self._digest = b"", None, _digest(b"")
        return content if self._digest != before else None


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _stamp(status: os.stat_result) -> _Stamp:
    """Return what differs when the file's content does."""
    return status.st_mtime_ns, status.st_size, status.st_ino


def _fingerprint(hashed: bytes) -> str:
    return hashlib.sha256(hashed).hexdigest()


def _check(users: Mapping[str, bytes], name: str, password: bytes) -> bool:
    """Check a password with the same work whoever the user is, so that time does not reveal them.

    The work of a check doubles with each step of the cost. What a hash lacks to the highest cost in
    the file is made up by checks that nothing passes: 2^4 + (2^4 + 2^5) = 2^6.
    """
    import bcrypt

    # bcrypt has always used the beginning of a longer password, under Apache and distribution too.
    password = password[:BCRYPT_LENGTH]
    highest = max(map(_cost, users.values()), default=LEAST_COST)
    hashed = users.get(name)
    passes = hashed is not None and bcrypt.checkpw(password, hashed)
    missing = [highest] if hashed is None else range(_cost(hashed), highest)
    for cost in missing:
        bcrypt.checkpw(password, b"$2b$%02d$" % cost + b"." * 53)
    return passes


def _cost(hashed: bytes) -> int:
    return int(hashed[4:6])


def _unreadable(path: Path, error: OSError | UnicodeDecodeError) -> str:
    reason = error.strerror if isinstance(error, OSError) else f"is not UTF-8 ({error.reason})"
    return f"{path}: {reason}"
