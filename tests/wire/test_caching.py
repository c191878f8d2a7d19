"""What caches may keep, and what clients may say they accept. RFC 9111; RFC 9110 section 12."""

import httpx
import pytest

from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.support.wire import Wire

pytestmark = pytest.mark.anyio

FOR_EVER = "max-age=31536000, immutable"
ASK_EACH_TIME = "no-cache"
METHODS = ("GET", "HEAD")


async def test_what_a_digest_names_is_kept_and_what_a_tag_names_is_asked_about(wire: Wire) -> None:
    """Also by the 304 that answers the asking."""
    manifest = Digest.of(await wire.push_image("v1", b"layer"))
    expected = {
        f"{wire.base}/manifests/{manifest}": FOR_EVER,
        f"{wire.base}/manifests/v1": ASK_EACH_TIME,
    }
    for url, value in expected.items():
        for method in METHODS:
            answer = await wire.client.request(method, url)
            assert (answer.status_code, answer.headers["Cache-Control"]) == (200, value)
            known = {"If-None-Match": answer.headers["ETag"]}
            again = await wire.client.request(method, url, headers=known)
            assert (again.status_code, again.headers["Cache-Control"]) == (304, value)


async def test_blobs_are_kept_for_ever_and_the_way_to_storage_is_not(wire: Wire) -> None:
    """A redirect leads to a URL that soon expires."""
    url = f"{wire.base}/blobs/{await wire.push_blob(b'a blob')}"
    head = await wire.client.head(url)
    assert head.headers["Cache-Control"] == FOR_EVER
    for method in METHODS:
        known = {"If-None-Match": head.headers["ETag"]}
        answer = await wire.client.request(method, url, headers=known)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (304, FOR_EVER)
    answer = await wire.client.get(url)
    part = await wire.client.get(url, headers={"Range": "bytes=1-2"})
    if answer.status_code == 307:
        assert "Cache-Control" not in answer.headers
        assert "Cache-Control" not in part.headers
    else:
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, FOR_EVER)
        assert (part.status_code, part.headers["Cache-Control"]) == (206, FOR_EVER)


async def test_errors_are_not_to_be_kept(wire: Wire) -> None:
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
        [""],
        ["@;;;q=NaN,,\xff/\xfe"],
        ["a" * 4000],
    ],
)
async def test_a_manifest_is_sent_as_it_was_pushed_whatever_the_client_accepts(
    wire: Wire, accept: list[str]
) -> None:
    """So there is nothing that an answer could vary on."""
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
            assert "Vary" not in answer.headers
