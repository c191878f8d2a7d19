"""OCI distribution-spec, "Pull", manifests: end-3."""

import pytest

from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.support.content import CONFIG
from tests.support.wire import Wire

pytestmark = pytest.mark.anyio


@pytest.mark.every_host
async def test_a_manifest_is_pulled_by_tag_and_digest(wire: Wire) -> None:
    """end-3: GET and HEAD have the same headers."""
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


@pytest.mark.parametrize("form", ['"{}"', "{}", 'W/"{}"', '"other", "{}"', "*"])
async def test_content_that_the_client_already_has_is_not_sent(wire: Wire, form: str) -> None:
    """end-2, end-3: If-None-Match quoted, bare, weak, in a list, or `*`."""
    manifest = await wire.push_image("v1", b"layer")
    urls = {
        f"{wire.base}/blobs/{Digest.of(CONFIG)}": Digest.of(CONFIG),
        f"{wire.base}/manifests/v1": Digest.of(manifest),
        f"{wire.base}/manifests/{Digest.of(manifest)}": Digest.of(manifest),
    }
    for url, digest in urls.items():
        for method in ("GET", "HEAD"):
            headers = {"If-None-Match": form.format(digest)}
            answer = await wire.client.request(method, url, headers=headers)
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["ETag"] == f'"{digest}"'
            assert answer.headers["Docker-Content-Digest"] == str(digest)


async def test_content_that_the_client_lacks_is_sent(wire: Wire) -> None:
    """end-3: a moved tag has another ETag; a missing manifest is 404 despite If-None-Match."""
    before = await wire.push_image("v1", b"layer")
    after = await wire.push_image("v1", b"another layer")
    url = f"{wire.base}/manifests/v1"
    for known in (f'"{Digest.of(before)}"', '""', '"'):
        answer = await wire.client.get(url, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (200, after)
    answer = await wire.client.get(f"{wire.base}/manifests/v2", headers={"If-None-Match": "*"})
    assert answer.status_code == 404
