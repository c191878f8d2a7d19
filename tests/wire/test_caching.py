"""Caching headers (RFC 9111) and content negotiation (RFC 9110, section 12)."""

import httpx
import pytest

from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.support.content import random_bytes
from tests.support.wire import Wire

pytestmark = pytest.mark.anyio

IMMUTABLE = "max-age=31536000, immutable"
REVALIDATE = "no-cache"
METHODS = ("GET", "HEAD")


@pytest.mark.every_host
async def test_manifests_are_immutable_by_digest_and_revalidated_by_tag(wire: Wire) -> None:
    """The 304 of a revalidation says the same."""
    manifest = Digest.of(await wire.push_image("v1", b"layer"))
    expected = {
        f"{wire.base}/manifests/{manifest}": IMMUTABLE,
        f"{wire.base}/manifests/v1": REVALIDATE,
    }
    for url, value in expected.items():
        for method in METHODS:
            answer = await wire.client.request(method, url)
            assert (answer.status_code, answer.headers["Cache-Control"]) == (200, value)
            known = {"If-None-Match": answer.headers["ETag"]}
            again = await wire.client.request(method, url, headers=known)
            assert (again.status_code, again.headers["Cache-Control"]) == (304, value)


@pytest.mark.every_stack
async def test_blobs_are_immutable_but_their_redirects_are_not_cached(wire: Wire) -> None:
    """A redirect leads to a URL that expires soon."""
    url = f"{wire.base}/blobs/{await wire.push_blob(random_bytes(2**17))}"
    head = await wire.client.head(url)
    assert head.headers["Cache-Control"] == IMMUTABLE
    for method in METHODS:
        known = {"If-None-Match": head.headers["ETag"]}
        answer = await wire.client.request(method, url, headers=known)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (304, IMMUTABLE)
    answer = await wire.client.get(url)
    part = await wire.client.get(url, headers={"Range": "bytes=1-2"})
    if answer.status_code == 307:
        assert "Cache-Control" not in answer.headers
        assert "Cache-Control" not in part.headers
    else:
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, IMMUTABLE)
        assert (part.status_code, part.headers["Cache-Control"]) == (206, IMMUTABLE)


async def test_errors_have_no_cache_control(wire: Wire) -> None:
    absent = Digest.of(b"absent")
    large = await wire.push_blob(b"a blob")
    urls = [f"{wire.base}/{path}" for path in (f"blobs/{absent}", f"manifests/{absent}")]
    for url in (*urls, f"{wire.base}/manifests/none", f"{wire.base}/tags/list?n=x"):
        for method in METHODS:
            answer = await wire.client.request(method, url)
            assert 400 <= answer.status_code < 500
            assert "Cache-Control" not in answer.headers
    outside = await wire.client.get(f"{wire.base}/blobs/{large}", headers={"Range": "bytes=99-"})
    assert outside.status_code == 416
    assert "Cache-Control" not in outside.headers


@pytest.mark.parametrize(
    "accept",
    [
        [],
        ["*/*"],
        ["application/*;q=0.1"],
        [media_types.OCI_MANIFEST],
        [media_types.DOCKER_MANIFEST],
        [media_types.OCI_INDEX, media_types.DOCKER_MANIFEST_LIST, "*/*"],
        [", ".join(sorted(media_types.MANIFESTS))],
        ["text/html"],
    ],
)
async def test_a_manifest_is_sent_as_pushed_whatever_the_client_accepts(
    wire: Wire, accept: list[str]
) -> None:
    """So answers need no `Vary: Accept`."""
    await assert_sent_as_pushed(wire, accept)


@pytest.mark.every_host
@pytest.mark.parametrize("accept", ["", "@;;;q=NaN,,\xff/\xfe", "a" * 4000])
async def test_an_odd_accept_header_is_ignored(wire: Wire, accept: str) -> None:
    await assert_sent_as_pushed(wire, [accept])


async def assert_sent_as_pushed(wire: Wire, accept: list[str]) -> None:
    manifest = await wire.push_image("v1", b"layer")
    sent = httpx.Headers([(b"Accept", line.encode("latin-1")) for line in accept])
    for reference in ("v1", Digest.of(manifest)):
        for method, content in (("GET", manifest), ("HEAD", b"")):
            request = wire.client.build_request(method, f"{wire.base}/manifests/{reference}")
            del request.headers["Accept"]
            request.headers = httpx.Headers([*request.headers.raw, *sent.raw])
            answer = await wire.client.send(request)
            assert (answer.status_code, answer.content) == (200, content)
            assert answer.headers["Content-Type"] == media_types.OCI_MANIFEST
            assert answer.headers["Vary"] == "Origin"
