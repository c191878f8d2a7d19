"""OCI distribution-spec, "Push", blobs: end-4a, end-4b, end-4c, end-5, end-6, end-13, end-14."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from registry_core.spec.digest import Digest
from tests.support.content import in_pieces, random_bytes
from tests.support.wire import OCTETS, Wire, assert_error

pytestmark = pytest.mark.anyio

SMALL = b"a small layer"
LARGE = random_bytes(9 * 2**20 + 3)  # two blocks
CONTENTS = pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])


async def assert_pulls(wire: Wire, digest: Digest, content: bytes) -> None:
    answer = await wire.client.get(f"{wire.base}/blobs/{digest}", follow_redirects=True)
    assert (answer.status_code, answer.content) == (200, content)


def assert_created(wire: Wire, answer: httpx.Response, digest: Digest) -> None:
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"{wire.client.base_url.join(wire.base)}/blobs/{digest}"
    assert answer.headers["Docker-Content-Digest"] == str(digest)


async def post_and_put(wire: Wire, content: bytes, digest: Digest) -> httpx.Response:
    """end-4a, end-6: as containerd and ORAS push."""
    return await wire.finish(await wire.start(), digest, content)


async def post(wire: Wire, content: bytes, digest: Digest) -> httpx.Response:
    """end-4b."""
    url = f"{wire.base}/blobs/uploads/?digest={digest}"
    return await wire.client.post(url, content=content, headers=OCTETS)


async def patch_with_length(wire: Wire, content: bytes, digest: Digest) -> httpx.Response:
    """end-4a, end-5, end-6."""
    answer = await wire.patch(await wire.start(), content)
    return await finish(wire, answer, content, digest)


async def patch_streamed(wire: Wire, content: bytes, digest: Digest) -> httpx.Response:
    """end-4a, end-5, end-6: as docker pushes: no length, and an empty PUT."""
    location = await wire.start()
    answer = await wire.client.patch(location, content=in_pieces(content), headers=OCTETS)
    return await finish(wire, answer, content, digest)


async def patch_announced(wire: Wire, content: bytes, digest: Digest) -> httpx.Response:
    """end-4c, end-5, end-6: the POST announces the digest's algorithm."""
    query = {"digest-algorithm": digest.algorithm}
    started = await wire.client.post(f"{wire.base}/blobs/uploads/", params=query)
    assert started.status_code == 202, started.text
    answer = await wire.patch(started.headers["Location"], content)
    return await finish(wire, answer, content, digest)


async def finish(
    wire: Wire, patched: httpx.Response, content: bytes, digest: Digest
) -> httpx.Response:
    last = max(len(content) - 1, 0)
    assert (patched.status_code, patched.headers["Range"]) == (202, f"0-{last}")
    assert patched.headers["Docker-Upload-UUID"]
    return await wire.finish(patched.headers["Location"], digest)


Push = Callable[[Wire, bytes, Digest], Awaitable[httpx.Response]]
PUSHES: list[Push] = [post_and_put, post, patch_with_length, patch_streamed, patch_announced]


SIZES = pytest.mark.parametrize("content", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
METHODS = pytest.mark.parametrize("push", PUSHES, ids=lambda push: push.__name__)


@pytest.mark.every_host
@SIZES
@METHODS
async def test_a_blob_is_pushed_by_each_method(wire: Wire, push: Push, content: bytes) -> None:
    """end-4a, end-4b, end-4c, end-5, end-6."""
    await assert_pushes(wire, push, content, Digest.of(content))


@SIZES
@METHODS
async def test_a_blob_is_pushed_by_its_sha512(wire: Wire, push: Push, content: bytes) -> None:
    """end-4a, end-4b, end-4c, end-5, end-6."""
    await assert_pushes(wire, push, content, Digest.of(content, "sha512"))


async def assert_pushes(wire: Wire, push: Push, content: bytes, digest: Digest) -> None:
    assert_created(wire, await push(wire, content, digest), digest)
    await assert_pulls(wire, digest, content)
    head = await wire.client.head(f"{wire.base}/blobs/{digest}")
    assert head.headers["Content-Length"] == str(len(content))


async def test_an_announced_algorithm_is_a_hint_only(wire: Wire) -> None:
    """end-4c: the digest may use another algorithm all the same."""
    for announced, digest in (
        ("sha512", Digest.of(SMALL)),
        ("sha256", Digest.of(SMALL, "sha512")),
    ):
        url = f"{wire.base}/blobs/uploads/?digest-algorithm={announced}"
        answer = await wire.patch((await wire.client.post(url)).headers["Location"], SMALL)
        answer = await wire.finish(answer.headers["Location"], digest)
        assert_created(wire, answer, digest)


@pytest.mark.every_stack
@CONTENTS
async def test_chunks_in_order_with_status_in_between(wire: Wire, content: bytes) -> None:
    """end-5, end-13, end-6: the last chunk is sent with the PUT."""
    location, third = await wire.start(), len(content) // 3
    for start in (0, third):
        piece = content[start : start + third]
        header = f"{start}-{start + len(piece) - 1}"
        answer = await wire.patch(location, piece, **{"Content-Range": header})
        assert (answer.status_code, answer.headers["Range"]) == (202, f"0-{start + third - 1}")
        status = await wire.client.get(answer.headers["Location"])
        assert (status.status_code, status.headers["Range"]) == (204, answer.headers["Range"])
        location = status.headers["Location"]
    rest = content[2 * third :]
    header = f"{2 * third}-{len(content) - 1}"
    digest = Digest.of(content)
    answer = await wire.finish(location, digest, rest, **{"Content-Range": header})
    assert_created(wire, answer, digest)
    await assert_pulls(wire, digest, content)


async def test_chunks_of_a_byte_are_accepted(wire: Wire) -> None:
    """end-4a: a chunk has no smallest length, and without a limit of the host no largest one."""
    answer = await wire.client.post(f"{wire.base}/blobs/uploads/")
    assert "OCI-Chunk-Max-Length" not in answer.headers
    assert "OCI-Chunk-Min-Length" not in answer.headers
    location = answer.headers["Location"]
    for start in range(3):
        answer = await wire.patch(location, b"x", **{"Content-Range": f"{start}-{start}"})
        assert answer.status_code == 202, answer.text
        location = answer.headers["Location"]
    assert (await wire.finish(location, Digest.of(b"xxx"))).status_code == 201


@pytest.mark.every_host
async def test_the_first_status_is_empty(wire: Wire) -> None:
    """end-13."""
    answer = await wire.client.get(await wire.start())
    assert (answer.status_code, answer.headers["Range"]) == (204, "0-0")


@pytest.mark.parametrize("first", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_a_chunk_out_of_order_is_answered_with_the_offset_to_resume_at(
    wire: Wire, first: bytes, method: str
) -> None:
    """end-5, end-6: a chunk out of order MUST be answered with 416."""
    location, size = await wire.start(), len(first)
    if first:
        location = (await wire.patch(location, first)).headers["Location"]
    digest = Digest.of(first + b"x")
    for start in {0, size - 1, size + 1, 2 * size} - {size, -1}:
        header = {"Content-Range": f"{start}-{start}"}
        if method == "PATCH":
            late = await wire.patch(location, b"x", **header)
        else:
            late = await wire.finish(location, digest, b"x", **header)
        assert_error(late, 416, "RANGE_INVALID")
        assert late.headers["Range"] == f"0-{max(size - 1, 0)}"
        location = late.headers["Location"]
    rest = {"Content-Range": f"{size}-{size}"}
    answer = await wire.patch(location, b"x", **rest)
    assert_created(wire, await wire.finish(answer.headers["Location"], digest), digest)


@pytest.mark.every_host
@pytest.mark.parametrize("sent", [b"", SMALL, LARGE], ids=["nothing", "small", "large"])
async def test_a_cancelled_upload_leaves_nothing_behind(wire: Wire, sent: bytes) -> None:
    """end-14: however much was sent."""
    location = await wire.start()
    if sent:
        location = (await wire.patch(location, sent)).headers["Location"]
    assert (await wire.client.delete(location)).status_code == 204
    assert [path for path in wire.paths() if f"{wire.repository}/" in path] == []
    assert (await wire.client.get(f"{wire.base}/tags/list")).status_code == 404


async def test_a_cancelled_upload_is_unknown(wire: Wire) -> None:
    """end-14, end-5, end-6, end-13: after bytes of it were in storage."""
    location = (await wire.patch(await wire.start(), LARGE)).headers["Location"]
    assert (await wire.client.delete(location)).status_code == 204
    for answer in (
        await wire.client.get(location),
        await wire.client.delete(location),
        await wire.patch(location, b"x"),
        await wire.finish(location, Digest.of(LARGE)),
    ):
        assert_error(answer, 404, "BLOB_UPLOAD_UNKNOWN")
