"""The data folder: what survives a restart. Azurite's data and its key, and secrets."""

from __future__ import annotations

import base64
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

# REGISTRY_HTTP_SECRET seals the state of uploads; long enough for HMAC with SHA-512.
_SECRET_BYTES = 64


class DataError(Exception):
    """The data folder cannot be used. One line that says what to do."""


def http_secret(folder: Path) -> str:
    """Return the random secret in ``folder``, generated once.

    Servers that start at the same time agree on one.

    :raises DataError: the file is empty.
    """
    return _generated_once(
        folder / "http-secret", lambda: secrets.token_urlsafe(_SECRET_BYTES) + "\n", "secret"
    )


def signing_key(folder: Path) -> str:
    """Return the key in ``folder`` that signs tokens, as PEM, generated once as the secret is.

    :raises DataError: the file is empty.
    """
    from ..auth.tokens.keys import SigningKey

    return _generated_once(
        folder / "signing-key.pem", lambda: SigningKey.generate().pem(), "signing key"
    )


def azurite_key(folder: Path) -> str:
    """Return the random access key of the Azurite in ``folder``, generated once, in base64.

    :raises DataError: the file is empty.
    """
    return _generated_once(
        folder / "azurite-key",
        lambda: base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode() + "\n",
        "key",
    )


def _generated_once(path: Path, generate: Callable[[], str], noun: str) -> str:
    if not path.exists():
        _create(path, generate())
    text = path.read_text().strip()
    if not text:
        raise DataError(f"{path} is empty; remove it to have a new {noun} generated")
    return text


def _create(path: Path, text: str) -> None:
    """Write a file that only its owner can read, all or nothing; an existing one stays."""
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
    """Run an Azurite on the data in ``folder``, locked: two of them would corrupt the data.

    Only this user can read the data and use the Azurite: its key is random, and is in the lock's
    file with the rest of the connection string.

    :raises DataError: another server runs one there.
    :raises AzuriteError: it does not start.
    """
    location = folder / "azurite"
    location.mkdir(parents=True, exist_ok=True)
    location.chmod(0o700)
    with _opened_for_owner(folder / "azurite.lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(_in_use(location, _read_note(lock)[1])) from None
        _wait_for_orphan(_read_note(lock)[0], location)
        _write_note(lock)
        with Azurite(location, key=azurite_key(folder), port=port) as azurite:
            _write_note(lock, str(azurite.pid), azurite.connection_string)
            yield azurite
        _write_note(lock)


def _opened_for_owner(path: Path) -> TextIO:
    """Open a file that only its owner can read, also if it was made differently."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    return path.open("a+")


def _in_use(location: Path, connection_string: str) -> str:
    value = CONNECTION_STRING + (f"='{connection_string}'" if connection_string else " to its own")
    return (
        f"another local server runs its Azurite on {location}: share it by setting {value} and "
        f"{CONTAINER} to the same, or choose another folder with --data"
    )


def _read_note(lock: TextIO) -> tuple[str, str]:
    """Return Azurite's process id and connection string, or two empty strings."""
    lock.seek(0)
    process_id, _, connection_string = lock.read().partition("\n")
    return process_id, connection_string.strip()


def _write_note(lock: TextIO, *lines: str) -> None:
    lock.seek(0)
    lock.truncate()
    lock.write("\n".join(lines))
    lock.flush()


def _wait_for_orphan(process_id: str, location: Path) -> None:
    """Wait for the Azurite of a killed server: it ends by itself, after writing its data."""
    deadline = time.monotonic() + STOP_SECONDS
    while _is_azurite(process_id, location):
        if time.monotonic() > deadline:
            raise DataError(
                f"an Azurite left over on {location} does not end: stop process {process_id}"
            )
        time.sleep(0.02)


def _is_azurite(process_id: str, location: Path) -> bool:
    # Without /proc it cannot be distinguished from another process with the same id.
    try:
        command = Path(f"/proc/{process_id or 'none'}/cmdline").read_bytes()
    except OSError:
        return False
    return str(location).encode() in command.split(b"\0")
