"""OCI distribution-spec, "Pull": end-1, end-2, end-3."""

import httpx
import pytest

from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.support.content import CONFIG, random_bytes
from tests.support.wire import Wire, assert_error

pytestmark = pytest.mark.anyio

LAYER = random_bytes(9 * 2**20 + 17)  # three pieces, when streamed


async def test_the_api_says_its_version(wire: Wire) -> None:
    """end-1."""
    for path in ("/v2/", "/v2"):
        for method in ("GET", "HEAD"):
            answer = await wire.client.request(method, path)
            assert answer.status_code == 200
            assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"


async def test_the_root_says_what_this_is(wire: Wire) -> None:
    answer = await wire.client.get("/")
    assert answer.status_code == 200
    assert "container registry" in answer.text
    assert f"docker push {wire.client.base_url.netloc.decode()}/" in answer.text


async def test_a_blob_is_pulled_whole(wire: Wire) -> None:
    """end-2."""
    digest = await wire.push_blob(LAYER)
    answer = await wire.client.get(f"{wire.base}/blobs/{digest}", follow_redirects=True)
    assert (answer.status_code, answer.content) == (200, LAYER)
    for step in (*answer.history, answer):
        if step.request.url.host == wire.client.base_url.host:
            assert step.headers["Docker-Content-Digest"] == str(digest)


@pytest.mark.parametrize(
    "asked, part",
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=5-9", slice(5, 10)),
        ("bytes=4194300-8388700", slice(4194300, 8388701)),
        ("bytes=9437184-", slice(9437184, None)),
        ("bytes=-3", slice(-3, None)),
        ("bytes=10-99999999", slice(10, None)),
    ],
)
async def test_a_part_of_a_blob_is_pulled_by_range(wire: Wire, asked: str, part: slice) -> None:
    digest = await wire.push_blob(LAYER)
    url = f"{wire.base}/blobs/{digest}"
    answer = await wire.client.get(url, headers={"Range": asked}, follow_redirects=True)
    assert (answer.status_code, answer.content) == (206, LAYER[part])
    start, stop, _ = part.indices(len(LAYER))
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(LAYER)}"


async def test_a_range_outside_the_blob_is_refused(wire: Wire) -> None:
    digest = await wire.push_blob(b"short")
    url = f"{wire.base}/blobs/{digest}"
    answer = await wire.client.get(url, headers={"Range": "bytes=5-"}, follow_redirects=True)
    assert answer.status_code == 416


async def test_head_tells_a_blobs_size_and_is_never_redirected(wire: Wire) -> None:
    digest = await wire.push_blob(b"12345")
    answer = await wire.client.head(f"{wire.base}/blobs/{digest}")
    assert answer.status_code == 200
    assert answer.headers["Content-Length"] == "5"
    assert answer.headers["Docker-Content-Digest"] == str(digest)
    assert answer.content == b""


@pytest.mark.parametrize("content", [b"", b"x"], ids=["empty", "a byte"])
async def test_the_smallest_blobs_are_pulled(wire: Wire, content: bytes) -> None:
    digest = await wire.push_blob(content)
    answer = await wire.client.get(f"{wire.base}/blobs/{digest}", follow_redirects=True)
    assert (answer.status_code, answer.content) == (200, content)


@pytest.mark.parametrize("form", ['"{}"', "{}", 'W/"{}"', '"other", "{}"', "*"])
async def test_content_that_the_client_has_is_not_sent_again(wire: Wire, form: str) -> None:
    manifest = await wire.push_image("v1", b"layer")
    urls = {
        f"{wire.base}/blobs/{Digest.of(CONFIG)}": Digest.of(CONFIG),
        f"{wire.base}/manifests/v1": Digest.of(manifest),
    }
    for url, digest in urls.items():
        for method in ("GET", "HEAD"):
            headers = {"If-None-Match": form.format(digest)}
            answer = await wire.client.request(method, url, headers=headers)
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["ETag"] == f'"{digest}"'


async def test_a_manifest_is_pulled_by_tag_and_digest(wire: Wire) -> None:
    """end-3."""
    manifest = await wire.push_image("v1", b"layer")
    digest = Digest.of(manifest)
    for reference in ("v1", digest):
        url = f"{wire.base}/manifests/{reference}"
        for method, body in (("GET", manifest), ("HEAD", b"")):
            answer = await wire.client.request(method, url)
            assert (answer.status_code, answer.content) == (200, body)
            assert answer.headers["Content-Type"] == media_types.OCI_MANIFEST
            assert answer.headers["Content-Length"] == str(len(manifest))
            assert answer.headers["Docker-Content-Digest"] == str(digest)
            assert answer.headers["ETag"] == f'"{digest}"'


async def test_what_is_not_there_is_unknown(wire: Wire) -> None:
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


async def test_a_redirect_leads_to_another_host_name_than_the_registrys(wire: Wire) -> None:
    """Go's clients would send the registry's credentials along to the same name."""
    digest = await wire.push_blob(b"layer")
    port = wire.client.base_url.port
    for name in ("localhost", "127.0.0.1"):
        headers = {"Host": f"{name}:{port}", "Authorization": "Basic Og=="}
        url = f"{wire.base}/blobs/{digest}"
        answer = await wire.client.get(url, headers=headers)
        if answer.status_code == 200:
            assert answer.content == b"layer"
            continue
        assert answer.status_code == 307
        target = httpx.URL(answer.headers["Location"])
        assert target.host in {"localhost", "127.0.0.1"} - {name}
        assert (await wire.client.get(target)).content == b"layer"
