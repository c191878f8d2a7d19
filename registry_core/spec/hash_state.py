"""SHA-2 whose state can be exported: `hashlib` computes it with libcrypto, but keeps its state to itself.

libcrypto's low-level functions work on a structure of plain integers, which holds no pointers and can
be copied: ``SHA256_CTX`` and ``SHA512_CTX`` of openssl/sha.h.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

import _hashlib

Buffer = bytes | bytearray | memoryview

# sizeof(SHA256_CTX): 8 words of state, 2 of length, 16 of pending data, 2 counters, 4 bytes each.
# sizeof(SHA512_CTX): 8 words of state, 2 of length, 16 of pending data, 8 bytes each, 2 counters of 4.
_LAYOUT = {"sha256": ("SHA256", 112, 32), "sha512": ("SHA512", 216, 64)}
_SAMPLE = b"abc" * 100


def state_size(algorithm: str) -> int:
    """The length of an exported state, in bytes."""
    return _LAYOUT[algorithm][1]


class ResumableHash:
    """SHA-256 or SHA-512 in progress. Use only where `available` says so."""

    def __init__(self, algorithm: str, state: bytes | None = None) -> None:
        prefix, size, self._digest_size = _LAYOUT[algorithm]
        library = _libcrypto()
        self._update = getattr(library, f"{prefix}_Update")
        self._final = getattr(library, f"{prefix}_Final")
        self._context = ctypes.create_string_buffer(size)
        if state is None:
            getattr(library, f"{prefix}_Init")(self._context)
        else:
            self._context.raw = state

    def update(self, data: Buffer) -> None:
        length = ctypes.c_size_t(len(data))
        if isinstance(data, bytes):
            self._update(self._context, data, length)
        elif isinstance(data, memoryview) and data.readonly:
            self._update(self._context, bytes(data), length)
        else:
            self._update(self._context, (ctypes.c_char * len(data)).from_buffer(data), length)

    def digest(self) -> bytes:
        copy = ctypes.create_string_buffer(self._context.raw, len(self._context))
        result = ctypes.create_string_buffer(self._digest_size)
        self._final(result, copy)
        return result.raw

    def export_state(self) -> bytes:
        return self._context.raw


def _libcrypto() -> ctypes.CDLL:
    # Symbols are looked up in the libraries that this extension module was linked with, too.
    return ctypes.CDLL(getattr(_hashlib, "__file__", None))


@cache
def available() -> bool:
    """Whether libcrypto can be reached from here and does what its headers say. Tried once."""
    if sys.byteorder != "little":
        return False  # a state must mean the same to every instance
    try:
        return all(_works(algorithm) for algorithm in _LAYOUT)
    except (AttributeError, OSError):
        return False


def _works(algorithm: str) -> bool:
    import hashlib

    first = ResumableHash(algorithm)
    first.update(_SAMPLE[:130])
    second = ResumableHash(algorithm, first.export_state())
    second.update(_SAMPLE[130:])
    return second.digest() == hashlib.new(algorithm, _SAMPLE).digest()
