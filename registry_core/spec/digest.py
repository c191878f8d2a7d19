"""Digests, and hashers whose state can be carried from one process to another.

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


@dataclass(frozen=True, order=True)
class Digest:
    """``<algorithm>:<hex>`` of a registered algorithm."""

    algorithm: str
    hex: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The digest that ``text`` spells.

        :raises DigestInvalid: when it is not a digest, or of an algorithm that is not registered.
        """
        match = _DIGEST.fullmatch(text)
        if match is None:
            raise DigestInvalid(f"invalid digest {text[:160]!r}: <algorithm>:<hex> is wanted")
        algorithm, encoded = match.groups()
        length = _HEX_LENGTH.get(algorithm)
        if length is None:
            raise DigestInvalid(
                f"digest algorithm {algorithm[:40]!r} is not supported; use sha256 or sha512"
            )
        if len(encoded) != length or _HEX.fullmatch(encoded) is None:
            raise DigestInvalid(
                f"invalid digest {text[:160]!r}: {algorithm} takes {length} lowercase hex digits"
            )
        return cls(algorithm, encoded)

    @classmethod
    def of(cls, content: Buffer, algorithm: str = SHA256) -> Self:
        """The digest of ``content``."""
        return cls(algorithm, hashlib.new(algorithm, content).hexdigest())


class Hasher(Protocol):
    """Takes content in pieces and tells its digest."""

    algorithm: str

    def update(self, data: Buffer) -> None:
        """Take the next piece, which lies in memory in one part.

        Releases the interpreter lock for large ones, so that a thread helps.

        :raises BufferError: when it has holes, as a memoryview with a step.
        """

    def digest(self) -> Digest:
        """The digest of all pieces so far; more may follow."""

    def export_state(self) -> bytes | None:
        """What `resume_hasher` goes on from; None where this machine cannot export it."""


class _HashlibHasher:
    """For machines whose libcrypto is out of reach: it cannot export its state."""

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
    """A hasher that has seen nothing."""
    if hash_state.available():
        return _ResumableHasher(algorithm)
    return _HashlibHasher(algorithm)


def resume_hasher(algorithm: str, state: bytes) -> Hasher | None:
    """A hasher that goes on from an exported state.

    None where that cannot be: this machine cannot import it, or ``state`` is not one, since it may
    have lain where others can write. Then the content has to be hashed from its beginning.
    """
    if not hash_state.available():
        return None
    try:
        return _ResumableHasher(algorithm, state)
    except ValueError:
        return None
