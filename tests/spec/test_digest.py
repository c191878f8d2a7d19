"""Digests are parsed strictly, and computed from content in pieces of any size and kind."""

from __future__ import annotations

import array
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.spec.digest import Buffer, Digest, new_hasher
from registry_core.spec.errors import DigestInvalid

from .strategies import digests

ALGORITHMS = ["sha256", "sha512"]
EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(digests())
def test_a_digest_round_trips_as_text(digest: Digest) -> None:
    assert Digest.parse(str(digest)) == digest


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "sha256",
        "sha256:",
        EMPTY[7:],
        EMPTY[:-1],
        EMPTY + "0",
        EMPTY + "\n",
        "\n" + EMPTY,
        " " + EMPTY,
        EMPTY + "\r\nX-Injected: yes",
        EMPTY[:-1] + "g",
        EMPTY[:-1] + "B",
        EMPTY[:-1] + "٣",
        EMPTY.upper(),
        "SHA256:" + EMPTY[7:],
        "sha512:" + EMPTY[7:],
        "sha256:sha256:" + EMPTY[7:],
        "sha256:../../" + EMPTY[13:],
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "sha384:" + "0" * 96,
        "blake3:" + "0" * 64,
        "sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564",
    ],
)
def test_malformed_digests_and_unregistered_algorithms_are_refused(text: str) -> None:
    with pytest.raises(DigestInvalid):
        Digest.parse(text)


def test_the_message_names_the_unsupported_algorithm_and_the_supported_ones() -> None:
    with pytest.raises(DigestInvalid, match="'blake3' is not supported; use sha256 or sha512"):
        Digest.parse("blake3:" + "0" * 64)


@pytest.mark.parametrize("text", ["x" * 1_000_000, "x:" + "0" * 1_000_000, "x" * 1_000_000 + ":0"])
def test_the_message_for_a_long_text_is_short(text: str) -> None:
    with pytest.raises(DigestInvalid) as refusal:
        Digest.parse(text)
    assert len(str(refusal.value)) < 300


@given(st.binary(max_size=500))
def test_digests_equal_those_of_hashlib(content: bytes) -> None:
    assert Digest.of(content).hex == hashlib.sha256(content).hexdigest()
    assert Digest.of(memoryview(content), "sha512").hex == hashlib.sha512(content).hexdigest()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_digest_of_empty_content_is_correct(algorithm: str) -> None:
    hasher = new_hasher(algorithm)
    hasher.update(b"")
    assert hasher.digest() == Digest.of(b"", algorithm)
    assert str(Digest.of(b"")) == EMPTY


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(pieces=st.lists(st.binary(max_size=300), max_size=20))
def test_the_digest_does_not_depend_on_the_pieces(algorithm: str, pieces: list[bytes]) -> None:
    hasher = new_hasher(algorithm)
    for piece in pieces:
        hasher.update(piece)
    assert hasher.digest() == Digest.of(b"".join(pieces), algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(pieces=st.lists(st.binary(max_size=300), max_size=10))
def test_a_hasher_continues_after_its_digest_was_read(algorithm: str, pieces: list[bytes]) -> None:
    hasher = new_hasher(algorithm)
    for count, piece in enumerate(pieces, 1):
        hasher.update(piece)
        so_far = Digest.of(b"".join(pieces[:count]), algorithm)
        assert [hasher.digest(), hasher.digest()] == [so_far, so_far]


CONTENT = bytes(range(256)) * 3


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    "piece",
    [
        CONTENT,
        bytearray(CONTENT),
        memoryview(CONTENT),
        memoryview(bytearray(CONTENT)),
        memoryview(b"before" + CONTENT + b"behind")[6:-6],
        memoryview(bytearray(b"before" + CONTENT + b"behind"))[6:-6],
        memoryview(array.array("I", CONTENT)),
        memoryview(bytearray(CONTENT)).cast("B", (3, 256)),
        memoryview(CONTENT).cast("Q"),
    ],
    ids=lambda piece: type(piece).__name__,
)
def test_every_kind_of_buffer_is_hashed_as_its_bytes(algorithm: str, piece: Buffer) -> None:
    hasher = new_hasher(algorithm)
    hasher.update(piece)
    assert hasher.digest() == Digest.of(CONTENT, algorithm)


@pytest.mark.parametrize("empty", [b"", bytearray(), memoryview(b""), memoryview(bytearray())])
def test_an_empty_buffer_changes_nothing(empty: Buffer) -> None:
    hasher = new_hasher()
    hasher.update(CONTENT)
    hasher.update(empty)
    assert hasher.digest() == Digest.of(CONTENT)


@pytest.mark.parametrize("whole", [CONTENT, bytearray(CONTENT)])
def test_a_buffer_that_is_not_contiguous_is_refused_and_changes_nothing(whole: Buffer) -> None:
    hasher = new_hasher()
    with pytest.raises(BufferError):
        hasher.update(memoryview(whole)[::2])
    assert hasher.digest() == Digest.of(b"")


def test_a_buffer_is_released_once_it_is_hashed() -> None:
    """An upload reuses its buffer: no reference may prevent it from being resized."""
    piece = bytearray(CONTENT)
    new_hasher().update(piece)
    piece.extend(b"more")
    assert len(piece) == len(CONTENT) + 4
