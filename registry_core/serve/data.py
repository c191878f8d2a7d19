"""The folder with what is to survive the local host: Azurite's data, HTTP secret, signing key."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from ..config import CONNECTION_STRING, CONTAINER
from .azurite import STOP_SECONDS, Azurite

# Signs the state of uploads (REGISTRY_HTTP_SECRET); long enough for HMAC with SHA-512.
_SECRET_BYTES = 64


class DataError(Exception):
    """The folder cannot be used. One line that says what would help."""


def http_secret(folder: Path) -> str:
    """A random secret, made once and kept in ``folder``: hosts that start at once agree on one.

    :raises DataError: when the file is there but empty.
    """
    return _made_once(
        folder / "http-secret", lambda: secrets.token_urlsafe(_SECRET_BYTES) + "\n", "secret"
    )


def signing_key(folder: Path) -> str:
    """A key as PEM that signs tokens, made once and kept in ``folder`` as the secret is.

    :raises DataError: when the file is there but empty.
    """
    from ..auth.tokens.keys import SigningKey

    return _made_once(folder / "signing-key.pem", lambda: SigningKey.generate().pem(), "key")


def _made_once(path: Path, make: Callable[[], str], what: str) -> str:
    if not path.exists():
        _create(path, make())
    text = path.read_text().strip()
    if not text:
        raise DataError(f"{path} is empty; remove it, and a new {what} will be made")
    return text


def _create(path: Path, text: str) -> None:
    """Whole and readable by its owner only, or not at all; a file that is there already stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()


@contextlib.contextmanager
def own_azurite(folder: Path, *, port: int) -> Iterator[Azurite]:
    """Run Azurite on the data in ``folder``. They are ours alone until the end: it cannot share.

    :raises DataError: when another host has one there.
    :raises AzuriteError: when it does not start.
    """
    location = folder / "azurite"
    location.mkdir(parents=True, exist_ok=True)
    with (folder / "azurite.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(_in_use(location, _read_note(lock)[1])) from None
        _wait_for_orphan(_read_note(lock)[0], location)
        _write_note(lock)
        with Azurite(location, port=port) as azurite:
            _write_note(lock, str(azurite.pid), azurite.connection_string)
            yield azurite
        _write_note(lock)


def _in_use(location: Path, connection_string: str) -> str:
    value = CONNECTION_STRING + (f"='{connection_string}'" if connection_string else " to its own")
    return (
        f"another local host has its Azurite on {location}: share it by setting {value} and "
        f"{CONTAINER} to the same, or choose another folder with --data"
    )


def _read_note(lock: TextIO) -> tuple[str, str]:
    """Azurite's process id and connection string, or two empty texts."""
    lock.seek(0)
    process_id, _, connection_string = lock.read().partition("\n")
    return process_id, connection_string.strip()


def _write_note(lock: TextIO, *lines: str) -> None:
    lock.seek(0)
    lock.truncate()
    lock.write("\n".join(lines))
    lock.flush()


def _wait_for_orphan(process_id: str, location: Path) -> None:
    """The Azurite of a host that was killed ends by itself, but writes its data down first."""
    deadline = time.monotonic() + STOP_SECONDS
    while _is_azurite(process_id, location):
        if time.monotonic() > deadline:
            raise DataError(f"an Azurite left over on {location} does not end: kill {process_id}")
        time.sleep(0.02)


def _is_azurite(process_id: str, location: Path) -> bool:
    # Without /proc nobody can tell it from another process with the same number.
    try:
        command = Path(f"/proc/{process_id or 'none'}/cmdline").read_bytes()
    except OSError:
        return False
    return str(location).encode() in command.split(b"\0")
