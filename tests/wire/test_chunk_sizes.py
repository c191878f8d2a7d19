"""Uploads in chunks of odd and mixed sizes: end-5, a status (end-13) after each, end-6 last."""

import itertools

import pytest

from registry_core.spec.digest import Digest
from tests.support.content import random_bytes
from tests.support.wire import Wire, assert_error

pytestmark = pytest.mark.anyio

MIB = 2**20
CONTENT = random_bytes(10 * MIB)  # chunks are slices of it
SIZES = (1, 8 * MIB, 100)


async def push_in_chunks(
    wire: Wire, sizes: tuple[int, ...], algorithm: str
) -> tuple[bytes, Digest]:
    """Send chunks by PATCH, each followed by a status, and the last one with the PUT."""
    query = f"?digest-algorithm={algorithm}"
    started = await wire.client.post(f"{wire.base}/blobs/uploads/{query}")
    location, content = started.headers["Location"], b""
    for position, size in enumerate(sizes, 1):
        piece = CONTENT[position : position + size]
        header = {"Content-Range": f"{len(content)}-{len(content) + size - 1}"}
        content += piece
        if position == len(sizes):
            digest = Digest.of(content, algorithm)
            answer = await wire.finish(location, digest, piece, **header)
            assert answer.status_code == 201, answer.text
            assert answer.headers["Docker-Content-Digest"] == str(digest)
            break
        answer = await wire.patch(location, piece, **header)
        assert answer.status_code == 202, answer.text
        assert answer.headers["Range"] == f"0-{len(content) - 1}"
        status = await wire.client.get(answer.headers["Location"])
        assert (status.status_code, status.headers["Range"]) == (204, f"0-{len(content) - 1}")
        location = status.headers["Location"]
    return content, digest


async def test_tiny_and_large_chunks_in_every_order(wire: Wire) -> None:
    for sizes, algorithm in zip(
        itertools.permutations(SIZES), itertools.cycle(["sha256", "sha512"]), strict=False
    ):
        content, digest = await push_in_chunks(wire, sizes, algorithm)
        url = f"{wire.base}/blobs/{digest}"
        assert (await wire.client.get(url, follow_redirects=True)).content == content


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize(
    "sizes",
    [
        (1, 9 * MIB, 1, 9 * MIB, 1),
        (8 * MIB + 1, 8 * MIB - 1, 1),
        (1,) * 12,
    ],
    ids=["large among tiny", "off by one", "single bytes"],
)
async def test_the_pulled_blob_consists_of_the_chunks(
    wire: Wire, sizes: tuple[int, ...], algorithm: str
) -> None:
    content, digest = await push_in_chunks(wire, sizes, algorithm)
    answer = await wire.client.get(f"{wire.base}/blobs/{digest}", follow_redirects=True)
    assert (answer.status_code, answer.content) == (200, content)


@pytest.mark.every_host
async def test_an_empty_chunk_changes_nothing(wire: Wire) -> None:
    location = await wire.start()
    for piece in (b"", b"abc", b"", b"def", b""):
        answer = await wire.patch(location, piece)
        assert answer.status_code == 202, answer.text
        location = answer.headers["Location"]
    assert answer.headers["Range"] == "0-5"
    assert (await wire.finish(location, Digest.of(b"abcdef"))).status_code == 201


@pytest.mark.every_host
async def test_a_chunk_sent_twice_is_refused_and_the_upload_continues(wire: Wire) -> None:
    """After tiny and after large chunks: the offset counts, not the number of chunks."""
    location, content = await wire.start(), b""
    for size in (2, 9 * MIB, 2):
        piece = CONTENT[:size]
        header = {"Content-Range": f"{len(content)}-{len(content) + size - 1}"}
        content += piece
        location = (await wire.patch(location, piece, **header)).headers["Location"]
        again = await wire.patch(location, piece, **header)
        assert_error(again, 416, "RANGE_INVALID")
        assert again.headers["Range"] == f"0-{len(content) - 1}"
        location = again.headers["Location"]
    assert (await wire.finish(location, Digest.of(content))).status_code == 201
