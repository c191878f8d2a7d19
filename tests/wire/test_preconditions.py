"""``If-Match`` and ``If-None-Match`` on reads, pushes and deletions: RFC 9110 section 13."""

import pytest

from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.support.content import CONFIG, image_manifest
from tests.support.wire import Wire, assert_error

pytestmark = pytest.mark.anyio

OTHER = f'"{Digest.of(b"another manifest")}"'


def etag(content: bytes) -> str:
    return f'"{Digest.of(content)}"'


async def test_a_manifest_is_read_only_if_if_match_holds(wire: Wire) -> None:
    """end-3. A manifest that is not there is 404 whatever the condition."""
    manifest = await wire.push_image("v1", b"layer")
    for reference in ("v1", Digest.of(manifest)):
        url = f"{wire.base}/manifests/{reference}"
        for held in (etag(manifest), "*", f"{OTHER}, {etag(manifest)}"):
            answer = await wire.client.get(url, headers={"If-Match": held})
            assert (answer.status_code, answer.content) == (200, manifest)
        refused = await wire.client.get(url, headers={"If-Match": OTHER})
        assert "If-Match does not hold" in assert_error(refused, 412, "DENIED")
        assert (await wire.client.head(url, headers={"If-Match": OTHER})).status_code == 412
    absent = await wire.client.get(f"{wire.base}/manifests/v2", headers={"If-Match": "*"})
    assert_error(absent, 404, "MANIFEST_UNKNOWN")


async def test_if_match_precedes_if_none_match(wire: Wire) -> None:
    """end-3: RFC 9110 section 13.2.2."""
    manifest = await wire.push_image("v1", b"layer")
    url = f"{wire.base}/manifests/v1"
    both = {"If-Match": OTHER, "If-None-Match": etag(manifest)}
    assert_error(await wire.client.get(url, headers=both), 412, "DENIED")
    both = {"If-Match": "*", "If-None-Match": etag(manifest)}
    assert (await wire.client.get(url, headers=both)).status_code == 304


async def put(wire: Wire, reference: object, content: bytes, **headers: str) -> int:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await wire.client.put(
        f"{wire.base}/manifests/{reference}",
        content=content,
        headers={"Content-Type": media_types.OCI_MANIFEST} | sent,
    )
    if answer.status_code != 201:
        assert_error(answer, answer.status_code, "DENIED")
    return answer.status_code


async def test_a_push_by_digest_has_a_precondition_on_that_manifest(wire: Wire) -> None:
    """end-7a: its ETag is its digest, whether or not it is there yet."""
    await wire.push_blob(CONFIG)
    manifest = image_manifest()
    digest = Digest.of(manifest)
    with wire.nothing_new_in_storage():
        assert await put(wire, digest, manifest, If_Match="*") == 412
        assert await put(wire, digest, manifest, If_Match=etag(manifest)) == 412
    assert await put(wire, digest, manifest, If_None_Match="*") == 201
    assert await put(wire, digest, manifest, If_Match=etag(manifest)) == 201
    with wire.nothing_new_in_storage():
        assert await put(wire, f"{digest}?tag=v1", manifest, If_None_Match="*") == 412
        assert await put(wire, f"{digest}?tag=v1", manifest, If_Match=OTHER) == 412


async def test_a_deletion_by_digest_has_a_precondition(wire: Wire) -> None:
    """end-9, end-10. What is not there is 404 whatever the condition."""
    manifest = await wire.push_image("v1", b"layer")
    layer = Digest.of(b"layer")
    for url, held in (
        (f"{wire.base}/manifests/{Digest.of(manifest)}", etag(manifest)),
        (f"{wire.base}/blobs/{layer}", f'"{layer}"'),
    ):
        for headers in ({"If-Match": OTHER}, {"If-None-Match": "*"}, {"If-None-Match": held}):
            answer = await wire.client.delete(url, headers=headers)
            assert_error(answer, 412, "DENIED")
            assert (await wire.client.head(url)).status_code == 200
        assert (await wire.client.delete(url, headers={"If-Match": held})).status_code == 202
        assert (await wire.client.delete(url, headers={"If-Match": held})).status_code == 404
