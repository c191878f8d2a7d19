"""Password files: Apache's htpasswd with bcrypt hashes, as distribution reads them.

Source: httpd.apache.org/docs/2.4/misc/password_encryptions.html
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

from ...aio import Expiring, Refreshing
from ...caches import Cache
from ...spec.errors import Unavailable
from ..identity import HTPASSWD, Identity, Login

_log = logging.getLogger(__name__)

RELOAD_SECONDS = 5.0  # how often the file is looked at, at most

BCRYPT_LENGTH = 72
"""How many bytes of a password bcrypt looks at."""

LEAST_COST, MOST_COST = 4, 16

# The salt's last character carries 2 bits, the other 4 are zero.
_BCRYPT = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")

THREADS = 2
WAITING = 64  # the most passwords being checked or waiting; further ones are refused for now
PASSED_SECONDS = 300.0
PASSED_ENTRIES = 4096

_Stamp: TypeAlias = tuple[int, int, int]


class HtpasswdInvalid(Exception):
    """``problems``: one line of text each, with file and line. None quotes a hash."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def parse_htpasswd(text: str, file: str) -> Mapping[str, bytes]:
    """Return the hashes of a password file by user name. ``file`` is its name in messages.

    :raises HtpasswdInvalid: something is wrong with it; says all of it.
    """
    users: dict[str, bytes] = {}
    lines: dict[str, int] = {}
    problems: list[str] = []
    stripped = map(str.strip, text.removeprefix("\ufeff").splitlines())
    for number, line in enumerate(stripped, 1):
        if not line or line.startswith("#"):
            continue
        name, _, hashed = line.partition(":")
        if problem := _problem(name, hashed, lines.get(name)):
            problems.append(f"{file}:{number}: {problem}")
        lines.setdefault(name, number)
        users[name] = hashed.encode()
    if not lines:
        problems.append(
            f"{file}: names no user; make a line with: python -m registry_core auth hash USER"
        )
    if problems:
        raise HtpasswdInvalid(problems)
    return users


def _problem(name: str, hashed: str, earlier_line: int | None) -> str:
    if not name or not hashed:
        return "is not of the form user:hash"
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

    The file is read again when it changes. If it has become invalid, that is logged, and the users
    stay as they were.
    """

    name = HTPASSWD

    def __init__(self, text: str, file: str = "htpasswd") -> None:
        """Take the users from a text. ``file`` is its name in messages.

        :raises HtpasswdInvalid: it is not a valid password file.
        """
        self._checks = PasswordChecks()
        self._path = Path(file)
        self._stamp: _Stamp | None = None
        users = Expiring(parse_htpasswd(text, file))
        self._users = Refreshing("the password file", self._reload, initial=users)

    @classmethod
    def from_file(cls, path: Path) -> Htpasswd:
        """Take the users from a file, now and whenever it changes.

        :raises HtpasswdInvalid: it cannot be read, or is not a valid password file.
        """
        stamp = _stamp(path)  # before reading: a change meanwhile is seen next time
        text = _read(path)
        source = cls(text, str(path))
        source._stamp = stamp
        source._users = Refreshing(
            f"the password file {path}",
            source._reload,
            initial=_reload_later(parse_htpasswd(text, str(path))),
            clock=time.monotonic,
        )
        return source

    async def log_in(self, name: str, secret: str) -> Login | None:
        """Return the login of a user by their password.

        :raises Unavailable: too many other passwords are being checked.
        """
        users = await self._users.get()
        password = secret.encode(errors="surrogatepass")
        passes = await self._checks.passes(
            name.encode(errors="surrogatepass"), password, lambda: _check(users, name, password)
        )
        if not passes:
            return None
        return Login(Identity(name, HTPASSWD), HTPASSWD, _fingerprint(users[name]))

    async def renew(self, login: Login) -> Login | None:
        """Return the login unless the user's line has changed or gone."""
        hashed = (await self._users.get()).get(login.identity.name)
        return login if hashed and _fingerprint(hashed) == login.credential else None

    async def has_user(self, name: str) -> bool:
        """Whether the file has a line for the user."""
        return name in await self._users.get()

    async def _reload(self) -> Expiring[Mapping[str, bytes]]:
        users = self._users.current
        assert users is not None, "there are users from the start"
        try:
            stamp = await asyncio.to_thread(_stamp, self._path)
            if stamp != self._stamp:
                self._stamp = stamp
                text = await asyncio.to_thread(_read, self._path)
                users = parse_htpasswd(text, str(self._path))
                self._checks.forget()
                _log.info("%s has changed; it has %d users", self._path, len(users))
        except HtpasswdInvalid as error:
            _log.error("the users stay as they were: %s", "; ".join(error.problems))
        return _reload_later(users)


def _reload_later(users: Mapping[str, bytes]) -> Expiring[Mapping[str, bytes]]:
    return Expiring(users, expires_at=time.monotonic() + RELOAD_SECONDS)


def _fingerprint(hashed: bytes) -> str:
    return hashlib.sha256(hashed).hexdigest()


def _check(users: Mapping[str, bytes], name: str, password: bytes) -> bool:
    """Check a password. Unknown users take as long, so that the time does not reveal users."""
    import bcrypt

    known = users.get(name)
    hashed = known or b"$2b$%02d$" % max(int(each[4:6]) for each in users.values()) + b"." * 53
    # bcrypt has always used the beginning of a longer password, under Apache and distribution too.
    return bcrypt.checkpw(password[:BCRYPT_LENGTH], hashed) and known is not None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HtpasswdInvalid([_unreadable(path, error)]) from None


def _stamp(path: Path) -> _Stamp:
    """Return what differs when the file's content does.

    :raises HtpasswdInvalid: the file does not exist.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise HtpasswdInvalid([_unreadable(path, error)]) from None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _unreadable(path: Path, error: OSError | UnicodeDecodeError) -> str:
    reason = error.strerror if isinstance(error, OSError) else f"is not UTF-8 ({error.reason})"
    return f"{path}: {reason}"


class PasswordChecks:
    """Slow checks of passwords: off the event loop, a few at a time, one for equal credentials.

    Credentials that passed are cached for some minutes by a keyed hash; the password itself is not
    kept. Those that failed are not cached: each attempt costs a check.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "password")
        self._key = secrets.token_bytes(32)
        self.forget()

    def forget(self) -> None:
        """Forget what passed, and what a check under way finds: passwords may have changed."""
        self._passed: Cache[bytes, bool] = Cache(PASSED_SECONDS, capacity=PASSED_ENTRIES)
        self._running: dict[bytes, asyncio.Future[bool]] = {}

    async def passes(self, name: bytes, password: bytes, check: Callable[[], bool]) -> bool:
        """Return the result of ``check``, or of an earlier one of the same name and password.

        :raises Unavailable: too many others are waiting.
        """
        message = b"%d:%b%b" % (len(name), name, password)
        credentials = hashlib.blake2b(message, key=self._key).digest()
        if self._passed.get(credentials):
            return True
        running = self._running.get(credentials) or self._start(credentials, check)
        # A client that disconnects cancels its own request, not what the others wait for.
        return await asyncio.shield(running)

    def _start(self, credentials: bytes, check: Callable[[], bool]) -> asyncio.Future[bool]:
        passed, running = self._passed, self._running
        if len(running) >= WAITING:
            raise Unavailable("too many logins at once; try again", headers={"Retry-After": "2"})
        future = asyncio.get_running_loop().run_in_executor(self._threads, check)
        running[credentials] = future

        def finished(done: asyncio.Future[bool]) -> None:
            del running[credentials]
            if not done.cancelled() and done.exception() is None and done.result():
                passed.put(credentials, value=True)

        future.add_done_callback(finished)
        return future
