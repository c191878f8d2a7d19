"""OCI distribution-spec, "Pull", blobs: end-2; unknown content: end-2, end-3."""

import httpx
import pytest

from registry_core.spec.digest import Digest
from tests.support.content import random_bytes
from tests.support.wire import Wire, assert_error

pytestmark = pytest.mark.anyio

LAYER = random_bytes(9 * 2**20 + 17)  # three pieces, when streamed


@pytest.mark.every_stack
async def test_a_blob_is_pulled_whole(wire: Wire) -> None:
    """end-2: the registry's own answers name the digest."""
    digest = await wire.push_blob(LAYER)
    answer = await wire.client.get(f"{wire.base}/blobs/{digest}", follow_redirects=True)
    assert (answer.status_code, answer.content) == (200, LAYER)
    for step in (*answer.history, answer):
        if step.request.url.host == wire.client.base_url.host:
            assert step.headers["Docker-Content-Digest"] == str(digest)


RANGES = {
    "bytes=0-0": slice(0, 1),
    "bytes=5-9": slice(5, 10),
    "bytes=4194300-8388700": slice(4194300, 8388701),
    "bytes=9437184-": slice(9437184, None),
    "bytes=-3": slice(-3, None),
    "bytes=10-99999999": slice(10, None),
}


@pytest.mark.every_stack
async def test_a_part_of_a_blob_is_pulled_by_range(wire: Wire) -> None:
    """end-2: RFC 9110, `Range`."""
    url = f"{wire.base}/blobs/{await wire.push_blob(LAYER)}"
    for header, part in RANGES.items():
        answer = await wire.client.get(url, headers={"Range": header}, follow_redirects=True)
        assert (answer.status_code, answer.content) == (206, LAYER[part]), header
        start, stop, _ = part.indices(len(LAYER))
        assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(LAYER)}"


@pytest.mark.every_stack
async def test_a_range_outside_the_blob_is_refused(wire: Wire) -> None:
    """end-2."""
    digest = await wire.push_blob(b"short")
    url = f"{wire.base}/blobs/{digest}"
    answer = await wire.client.get(url, headers={"Range": "bytes=5-"}, follow_redirects=True)
    assert answer.status_code == 416


@pytest.mark.every_stack
async def test_head_has_the_size_of_a_blob_and_is_never_redirected(wire: Wire) -> None:
    """end-2: the registry answers HEAD itself."""
    digest = await wire.push_blob(b"12345")
    answer = await wire.client.head(f"{wire.base}/blobs/{digest}")
    assert answer.status_code == 200
    assert answer.headers["Content-Length"] == "5"
    assert answer.headers["Docker-Content-Digest"] == str(digest)
    assert answer.content == b""


@pytest.mark.every_stack
@pytest.mark.parametrize("content", [b"", b"x"], ids=["empty", "a byte"])
async def test_the_smallest_blobs_are_pulled(wire: Wire, content: bytes) -> None:
    """end-2."""
    digest = await wire.push_blob(content)
    answer = await wire.client.get(f"{wire.base}/blobs/{digest}", follow_redirects=True)
    assert (answer.status_code, answer.content) == (200, content)


@pytest.mark.every_stack
async def test_small_blobs_and_their_ranges_are_never_redirected(wire: Wire) -> None:
    """end-2. Up to 64 KiB, as set by REGISTRY_STORAGE_REDIRECT_MINSIZE."""
    content = random_bytes(64 * 2**10)
    digest = await wire.push_blob(content)
    url = f"{wire.base}/blobs/{digest}"
    for header, status, part in (
        ({}, 200, content),
        ({"Range": "bytes=1-9"}, 206, content[1:10]),
        ({"If-None-Match": f'"{digest}"'}, 304, b""),
    ):
        answer = await wire.client.get(url, headers=header)
        assert (answer.status_code, answer.content) == (status, part)
        assert answer.headers["Docker-Content-Digest"] == str(digest)
        assert answer.headers["ETag"] == f'"{digest}"'
        assert answer.headers["Cache-Control"] == "max-age=31536000, immutable"
        if status != 304:
            assert answer.headers["Content-Length"] == str(len(part))


@pytest.mark.every_host
async def test_missing_content_is_unknown(wire: Wire) -> None:
    """end-2, end-3."""
    absent = Digest.of(b"absent")
    await wire.push_image("v1", b"layer")
    for repository in (wire.base, "/v2/never/pushed"):
        get = wire.client.get
        assert_error(await get(f"{repository}/blobs/{absent}"), 404, "BLOB_UNKNOWN")
        assert_error(await get(f"{repository}/manifests/{absent}"), 404, "MANIFEST_UNKNOWN")
        assert_error(await get(f"{repository}/manifests/v2"), 404, "MANIFEST_UNKNOWN")
        for kind, reference in (("blobs", absent), ("manifests", absent), ("manifests", "v2")):
            answer = await wire.client.head(f"{repository}/{kind}/{reference}")
            assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.every_stack
async def test_a_redirect_leads_to_another_host_name_than_the_registrys(wire: Wire) -> None:
    """end-2: Go clients send the registry's credentials along to the same host name."""
    digest = await wire.push_blob(LAYER)
    port = wire.client.base_url.port
    for name in ("localhost", "127.0.0.1"):
        headers = {"Host": f"{name}:{port}", "Authorization": "Basic Og=="}
        url = f"{wire.base}/blobs/{digest}"
        answer = await wire.client.get(url, headers=headers)
        if answer.status_code == 200:
            assert answer.content == LAYER
            continue
        assert answer.status_code == 307
        target = httpx.URL(answer.headers["Location"])
        assert target.host in {"localhost", "127.0.0.1"} - {name}
        assert (await wire.client.get(target)).content == LAYER


IGNORED_RANGES = [
    "bytes=0-1,5-6",
    "bytes=abc",
    "bytes=-",
    "bytes=5",
    "bytes=",
    "items=0-5",
    "0-5",
    "x",
]


@pytest.mark.every_stack
async def test_a_range_that_is_not_one_range_of_bytes_gets_the_whole_blob(wire: Wire) -> None:
    """end-2: RFC 9110 section 14.2. The blob is one that is redirected without such a range."""
    url = f"{wire.base}/blobs/{await wire.push_blob(LAYER)}"
    for header in IGNORED_RANGES:
        answer = await wire.client.get(url, headers={"Range": header}, follow_redirects=True)
        assert (answer.status_code, answer.content == LAYER) == (200, True), header
        assert "Content-Range" not in answer.headers
    twice = [("Range", "bytes=0-1"), ("Range", "bytes=5-6")]
    answer = await wire.client.get(url, headers=twice, follow_redirects=True)
    assert (answer.status_code, answer.content == LAYER) == (200, True)


@pytest.mark.every_stack
async def test_any_range_of_an_empty_blob_is_the_whole_of_it(wire: Wire) -> None:
    """end-2: no Content-Range could describe a part of it. containerd asks for `bytes=0-`."""
    url = f"{wire.base}/blobs/{await wire.push_blob(b'')}"
    for header in ("bytes=0-", "bytes=0-1048575", "bytes=5-", "bytes=-1", *IGNORED_RANGES):
        answer = await wire.client.get(url, headers={"Range": header}, follow_redirects=True)
        assert (answer.status_code, answer.content) == (200, b""), header
        assert answer.headers["Content-Length"] == "0"
        assert "Content-Range" not in answer.headers


@pytest.mark.every_stack
async def test_conditions_are_judged_by_the_registrys_etag_not_by_storages(wire: Wire) -> None:
    """end-2: RFC 9110 section 13. The blob is one that is redirected without a condition."""
    digest = await wire.push_blob(LAYER)
    url = f"{wire.base}/blobs/{digest}"
    etag = (await wire.client.head(url)).headers["ETag"]
    part = {"Range": "bytes=5-9"}
    a_date = "Sat, 29 Oct 1994 19:43:31 GMT"
    for headers, status, content in (
        ({"If-Match": etag}, 200, LAYER),
        ({"If-Match": f'"other", {etag}'}, 200, LAYER),
        ({"If-Match": "*"}, 200, LAYER),
        ({"If-Match": etag} | part, 206, LAYER[5:10]),
        ({"If-None-Match": etag}, 304, b""),
        ({"If-None-Match": '"other", "another"'}, 200, LAYER),
        ({"If-None-Match": '"other"'} | part, 206, LAYER[5:10]),
        ({"If-Range": etag} | part, 206, LAYER[5:10]),
        ({"If-Range": '"other"'} | part, 200, LAYER),
        ({"If-Range": a_date} | part, 200, LAYER),
        ({"If-Range": etag}, 200, LAYER),
        ({"If-Unmodified-Since": a_date}, 200, LAYER),
        ({"If-Modified-Since": "Sat, 29 Oct 2094 19:43:31 GMT"}, 200, LAYER),
    ):
        answer = await wire.client.get(url, headers=headers, follow_redirects=True)
        assert (answer.status_code, answer.content == content) == (status, True), headers
    for headers in ({"If-Match": '"other"'}, {"If-Match": f"W/{etag}"}):
        answer = await wire.client.get(url, headers=headers, follow_redirects=True)
        assert_error(answer, 412, "DENIED")
        assert (await wire.client.head(url, headers=headers)).status_code == 412
