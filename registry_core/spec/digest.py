"""Digests, and hashers whose state can be exported and resumed in another process.

Source: OCI image-spec, "Digests". Registered algorithms: sha256 and sha512.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Protocol, Self

from . import hash_state
from .errors import DigestInvalid

SHA256 = "sha256"
SHA512 = "sha512"

_HEX_LENGTH = {SHA256: 64, SHA512: 128}
_DIGEST = re.compile(r"([a-z0-9]+(?:[+._-][a-z0-9]+)*):([a-zA-Z0-9=_-]+)")
_HEX = re.compile(r"[a-f0-9]+")

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, order=True, slots=True)
class Digest:
    """A digest, ``<algorithm>:<hex>``, of a registered algorithm."""

    algorithm: str
    hex: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``<algorithm>:<hex>``.

        :raises DigestInvalid: the text is malformed, or its algorithm is not registered.
        """
        match = _DIGEST.fullmatch(text)
        if match is None:
            raise DigestInvalid(f"{text[:160]!r} is not a digest; expected <algorithm>:<hex>")
        algorithm, encoded = match.groups()
        length = _HEX_LENGTH.get(algorithm)
        if length is None:
            raise DigestInvalid(
                f"digest algorithm {algorithm[:40]!r} is not supported; use sha256 or sha512"
            )
        if len(encoded) != length or _HEX.fullmatch(encoded) is None:
            raise DigestInvalid(
                f"{text[:160]!r} is not a digest: {algorithm} has {length} lowercase hex digits"
            )
        return cls(algorithm, encoded)

    @classmethod
    def of(cls, content: Buffer, algorithm: str = SHA256) -> Self:
        """Return the digest of ``content``."""
        return cls(algorithm, hashlib.new(algorithm, content).hexdigest())


class Hasher(Protocol):
    """Computes the digest of content that arrives in pieces."""

    algorithm: str

    def update(self, data: Buffer) -> None:
        """Hash the next piece.

        Releases the interpreter lock for large pieces, so that threads run in parallel.

        :raises BufferError: the piece is not contiguous, such as a memoryview with a step.
        """

    def digest(self) -> Digest:
        """Return the digest of all pieces so far; more may follow."""

    def export_state(self) -> bytes | None:
        """Return the state for `resume_hasher`; None if this machine cannot export it."""


class _HashlibHasher:
    """A hasher for machines without access to libcrypto. It cannot export its state."""

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self._hash = hashlib.new(algorithm)

    def update(self, data: Buffer) -> None:
        self._hash.update(data)

    def digest(self) -> Digest:
        return Digest(self.algorithm, self._hash.hexdigest())

    def export_state(self) -> bytes | None:
        return None


class _ResumableHasher:
    def __init__(self, algorithm: str, state: bytes | None = None) -> None:
        self.algorithm = algorithm
        self._hash = hash_state.ResumableHash(algorithm, state)

    def update(self, data: Buffer) -> None:
        self._hash.update(data)

    def digest(self) -> Digest:
        return Digest(self.algorithm, self._hash.digest().hex())

    def export_state(self) -> bytes | None:
        return self._hash.export_state()


def new_hasher(algorithm: str = SHA256) -> Hasher:
    """Return a hasher of no content yet."""
    if hash_state.available():
        return _ResumableHasher(algorithm)
    return _HashlibHasher(algorithm)


def resume_hasher(algorithm: str, state: bytes) -> Hasher | None:
    """Return a hasher that continues from an exported state.

    None if this machine cannot import states, or if ``state`` is invalid: it may have been stored
    where others can write. Then the content has to be hashed from its beginning.
    """
    if not hash_state.available():
        return None
    try:
        return _ResumableHasher(algorithm, state)
    except ValueError:
        return None
