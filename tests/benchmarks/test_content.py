"""What is pushed is what its digest says, and nobody has seen it before."""

import hashlib
import json

import pytest

from benchmarks.content import Content, new_content, new_image
from benchmarks.scale import KIB, MIB

SIZES = [1, 31, 32, 33, 4 * KIB, MIB - 1, MIB, MIB + 1, 3 * MIB, 3 * MIB + 40_000]


def decode_chunked(coded: bytes) -> bytes:
    decoded = b""
    while True:
        length, _, rest = coded.partition(b"\r\n")
        size = int(length, 16)
        assert rest[size : size + 2] == b"\r\n"
        if size == 0:
            assert rest == b"\r\n"
            return decoded
        decoded, coded = decoded + rest[:size], rest[size + 2 :]


@pytest.mark.parametrize("size", SIZES)
def test_pieces_have_the_size_and_the_digest(size: int) -> None:
    content = new_content(size)
    data = b"".join(content.pieces())
    assert len(data) == size
    assert content.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.mark.parametrize("size", SIZES)
def test_chunked_coding_carries_the_same_bytes(size: int) -> None:
    content = new_content(size)
    coded = b"".join(content.chunked_pieces())
    assert decode_chunked(coded) == b"".join(content.pieces())


def test_no_content_is_made_twice() -> None:
    made = [new_content(2 * MIB).digest for _ in range(5)]
    assert len(set(made)) == len(made)


def test_a_manifest_names_its_blobs() -> None:
    image = new_image()
    manifest = json.loads(image.manifest)
    assert as_pair(manifest["config"]) == (image.config.digest, image.config.size)
    assert [as_pair(layer) for layer in manifest["layers"]] == [
        (image.layer.digest, image.layer.size)
    ]
    assert image.digest == f"sha256:{hashlib.sha256(image.manifest).hexdigest()}"


def test_empty_content_has_no_pieces() -> None:
    content = Content(0, "", b"")
    assert list(content.pieces()) == []
    assert b"".join(content.chunked_pieces()) == b"0\r\n\r\n"


def as_pair(descriptor: dict[str, str | int]) -> tuple[str | int, str | int]:
    return descriptor["digest"], descriptor["size"]
