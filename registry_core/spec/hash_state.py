"""SHA-2 with a state that can be exported.

`hashlib` computes SHA-2 with libcrypto, but does not expose the state. libcrypto's low-level
functions work on a structure of plain integers, which has no pointers and can be copied.
``SHA256_CTX`` and ``SHA512_CTX`` of openssl/sha.h are alike but for the size of their words::

    h[8]  Nl  Nh  data[16]      words of 4 bytes (SHA-256) or 8 (SHA-512)
    num  md_len                 4 bytes each

``Nl`` and ``Nh`` count the bits so far, ``num`` the bytes in ``data`` that do not fill a block yet,
``md_len`` the bytes of the digest.
"""

from __future__ import annotations

import ctypes
import hashlib
import struct
import sys
from collections.abc import Callable
from functools import cache

Buffer = bytes | bytearray | memoryview

_WORD = {"sha256": 4, "sha512": 8}
_SAMPLE = b"abc" * 100


def state_size(algorithm: str) -> int:
    """Return the length of an exported state, in bytes."""
    return 26 * _WORD[algorithm] + 8


class ResumableHash:
    """SHA-256 or SHA-512 in progress. Use it only if `available` returns True.

    :raises ValueError: ``state`` was not exported for this algorithm.
    """

    def __init__(self, algorithm: str, state: bytes | None = None) -> None:
        self._digest_size = 8 * _WORD[algorithm]
        self._update = _function(algorithm, "Update")
        self._final = _function(algorithm, "Final")
        self._context = ctypes.create_string_buffer(state_size(algorithm))
        if state is None:
            _function(algorithm, "Init")(self._context)
        else:
            _check(algorithm, state)
            self._context.raw = state

    def update(self, data: Buffer) -> None:
        if isinstance(data, bytes):
            self._update(self._context, data, ctypes.c_size_t(len(data)))
            return
        view = memoryview(data)
        if not view.c_contiguous:
            raise BufferError("the content is not contiguous")
        if view.readonly:
            self.update(bytes(view))  # ctypes does not point into read-only memory
        elif view.nbytes:
            first = ctypes.c_char.from_buffer(view)
            self._update(self._context, ctypes.byref(first), ctypes.c_size_t(view.nbytes))

    def digest(self) -> bytes:
        copy = ctypes.create_string_buffer(self._context.raw, len(self._context))
        result = ctypes.create_string_buffer(self._digest_size)
        self._final(result, copy)
        return result.raw

    def export_state(self) -> bytes:
        return self._context.raw


def _check(algorithm: str, state: bytes) -> None:
    # libcrypto trusts num and md_len: with wrong ones it would write outside the structure. Nl
    # determines num, which is then within the block.
    word = _WORD[algorithm]
    if len(state) != state_size(algorithm):
        raise ValueError(f"a state of {algorithm} has {state_size(algorithm)} bytes")
    bits = int.from_bytes(state[8 * word : 9 * word], "little")
    pending, digest_size = struct.unpack("<2I", state[-8:])
    block = 16 * word
    if bits % (8 * block) != 8 * pending or digest_size != 8 * word:
        raise ValueError(f"not a state of {algorithm}: its counters are inconsistent")


@cache
def _libcrypto() -> ctypes.CDLL:
    import _hashlib  # a Python built without OpenSSL has none

    # Symbols are also looked up in the libraries that this extension module is linked with. If the
    # module is part of the interpreter, it has no file; None means the process itself.
    return ctypes.CDLL(getattr(_hashlib, "__file__", None))


@cache
def _function(algorithm: str, name: str) -> Callable[..., object]:
    function: Callable[..., object] = getattr(_libcrypto(), f"{algorithm.upper()}_{name}")
    return function


@cache
def available() -> bool:
    """Return whether libcrypto is accessible and behaves as documented. Tried once."""
    if sys.byteorder != "little":
        return False  # states must mean the same on all instances
    try:
        return all(_works(algorithm) for algorithm in _WORD)
    except (ImportError, AttributeError, OSError, ValueError):
        return False


def _works(algorithm: str) -> bool:
    first = ResumableHash(algorithm)
    first.update(_SAMPLE[:130])
    second = ResumableHash(algorithm, first.export_state())
    second.update(_SAMPLE[130:])
    return second.digest() == hashlib.new(algorithm, _SAMPLE).digest()
