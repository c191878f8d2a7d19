"""Unique blobs, generated while they are sent, at next to no cost.

One megabyte of noise is repeated; only the first piece differs, and with it the digest. The digest
is computed in advance, so that hashing is not timed.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from .scale import KIB, MIB

_NOISE = random.Random(20260801).randbytes(MIB)
_NONCE_SIZE = 32
# docker sends a layer in HTTP chunks of this size.
_CHUNK = 32 * KIB
LAST_CHUNK = b"0\r\n\r\n"

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Content:
    """`size` bytes whose SHA-256 is `digest`, in pieces of at most 1 MiB."""

    size: int
    digest: str
    nonce: bytes

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes. All pieces but the first and the last are the same object."""
        if self.size == 0:
            return
        first = self.nonce + _NOISE[len(self.nonce) :]
        yield first[: self.size]
        for _ in range(self.size // MIB - 1):
            yield _NOISE
        if self.size > MIB and self.size % MIB:
            yield _NOISE[: self.size % MIB]

    def chunked_pieces(self) -> Iterator[bytes]:
        """Yield the bytes in chunked coding (RFC 9112, section 7.1), as docker sends them."""
        for piece in self.pieces():
            yield _noise_in_chunks() if piece is _NOISE else _in_chunks(piece)
        yield LAST_CHUNK


@dataclass(frozen=True)
class Image:
    """A layer, a config and their manifest."""

    layer: Content
    config: Content
    manifest: bytes
    digest: str


def new_content(size: int) -> Content:
    """Return new content of `size` bytes, which no registry has."""
    unhashed = Content(size, "", os.urandom(_NONCE_SIZE))
    hasher = hashlib.sha256()
    for piece in unhashed.pieces():
        hasher.update(piece)
    return Content(size, f"sha256:{hasher.hexdigest()}", unhashed.nonce)


def new_image(layer_size: int = 4 * KIB) -> Image:
    """Return a new image, which no registry has."""
    return image_of(new_content(layer_size))


def image_of(layer: Content) -> Image:
    """Return an image of a layer and a new config."""
    config = new_content(KIB)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": _descriptor(config, CONFIG_TYPE),
            "layers": [_descriptor(layer, LAYER_TYPE)],
        }
    ).encode()
    return Image(layer, config, manifest, f"sha256:{hashlib.sha256(manifest).hexdigest()}")


def _descriptor(content: Content, media_type: str) -> dict[str, str | int]:
    return {"mediaType": media_type, "digest": content.digest, "size": content.size}


@cache
def _noise_in_chunks() -> bytes:
    return _in_chunks(_NOISE)


def _in_chunks(piece: bytes) -> bytes:
    chunks = (piece[start : start + _CHUNK] for start in range(0, len(piece), _CHUNK))
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
