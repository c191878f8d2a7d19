"""OCI distribution-spec, "Content Management": end-9, end-10."""

import pytest

from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.support.content import image_index, random_bytes
from tests.support.wire import Wire, assert_error

pytestmark = pytest.mark.anyio

LAYER = b"a layer"


async def status(wire: Wire, path: str) -> int:
    return (await wire.client.head(f"{wire.base}/{path}")).status_code


async def delete(wire: Wire, path: str) -> int:
    return (await wire.client.delete(f"{wire.base}/{path}")).status_code


async def tags(wire: Wire) -> list[str]:
    answer = await wire.client.get(f"{wire.base}/tags/list")
    assert answer.status_code == 200, answer.text
    listed: list[str] = answer.json()["tags"]
    return listed


@pytest.mark.every_host
async def test_a_deleted_blob_is_gone_from_its_repository_only(wire: Wire) -> None:
    """end-10: at once; other repositories keep it."""
    digest = await wire.push_blob(LAYER)
    other = Wire(wire.client, f"{wire.repository}/other", wire.paths)
    await other.push_blob(LAYER)
    assert await delete(wire, f"blobs/{digest}") == 202
    assert await status(wire, f"blobs/{digest}") == 404
    assert await status(other, f"blobs/{digest}") == 200
    answer = await wire.client.delete(f"{wire.base}/blobs/{digest}")
    assert_error(answer, 404, "BLOB_UNKNOWN")
    await wire.push_blob(LAYER)
    assert await status(wire, f"blobs/{digest}") == 200


@pytest.mark.every_host
async def test_a_deleted_tag_leaves_the_manifest(wire: Wire) -> None:
    """end-9: by tag."""
    digest = Digest.of(await wire.push_image("v1", LAYER))
    await wire.push_image("v2", LAYER)
    assert await delete(wire, "manifests/v1") == 202
    assert await status(wire, "manifests/v1") == 404
    assert await status(wire, "manifests/v2") == 200
    assert await status(wire, f"manifests/{digest}") == 200
    assert await tags(wire) == ["v2"]
    answer = await wire.client.delete(f"{wire.base}/manifests/v1")
    assert_error(answer, 404, "MANIFEST_UNKNOWN")


@pytest.mark.every_host
async def test_deleting_a_manifest_deletes_the_tags_that_point_to_it(wire: Wire) -> None:
    """end-9: by digest; a tag that has been moved stays."""
    digest = Digest.of(await wire.push_image("v1", LAYER))
    await wire.push_image("v2", LAYER)
    await wire.push_image("moved", LAYER)
    other = Digest.of(await wire.push_image("moved", b"another layer"))
    assert await delete(wire, f"manifests/{digest}") == 202
    assert await status(wire, f"manifests/{digest}") == 404
    assert await tags(wire) == ["moved"]
    assert await status(wire, f"manifests/{other}") == 200
    answer = await wire.client.delete(f"{wire.base}/manifests/{digest}")
    assert_error(answer, 404, "MANIFEST_UNKNOWN")


async def test_deleted_content_can_be_pushed_again(wire: Wire) -> None:
    """end-9, end-7a."""
    manifest = await wire.push_image("v1", LAYER)
    for reference in ("v1", Digest.of(manifest)):
        await delete(wire, f"manifests/{reference}")
        assert (await wire.put_manifest("v1", manifest)).status_code == 201
        assert (await wire.client.get(f"{wire.base}/manifests/v1")).content == manifest


async def test_an_index_is_deleted_before_its_children_or_after(wire: Wire) -> None:
    """end-9: without manifests the repository is unknown."""
    children = [await wire.push_image(f"p{n}", f"{n}".encode()) for n in range(2)]
    index = image_index(*children)
    assert (await wire.put_manifest("multi", index, media_types.OCI_INDEX)).status_code == 201
    for content in (children[0], index, children[1]):
        assert await delete(wire, f"manifests/{Digest.of(content)}") == 202
    answer = await wire.client.get(f"{wire.base}/tags/list")
    assert_error(answer, 404, "NAME_UNKNOWN")


async def test_a_repository_whose_last_manifest_is_deleted_leaves_the_catalog(wire: Wire) -> None:
    """end-9, and Docker's catalog: the next push brings it back."""
    digests = [Digest.of(await wire.push_image(tag, tag.encode())) for tag in ("v1", "v2")]

    async def is_listed() -> bool:
        answer = await wire.client.get("/v2/_catalog?n=1000")
        return wire.repository in answer.json()["repositories"]

    assert await is_listed()
    await delete(wire, f"manifests/{digests[0]}")
    assert await is_listed()
    await delete(wire, f"manifests/{digests[1]}")
    assert not await is_listed()
    await wire.push_image("v1", b"v1")
    assert await is_listed()


async def test_invalid_references_are_refused(wire: Wire) -> None:
    """end-9, end-10."""
    absent = Digest.of(b"absent")
    for path, code, error in [
        ("blobs/sha256:x", 400, "DIGEST_INVALID"),
        ("manifests/sha256:x", 400, "DIGEST_INVALID"),
        ("manifests/-v1", 404, "MANIFEST_UNKNOWN"),
        (f"manifests/{absent}", 404, "MANIFEST_UNKNOWN"),
        (f"blobs/{absent}", 404, "BLOB_UNKNOWN"),
    ]:
        assert_error(await wire.client.delete(f"{wire.base}/{path}"), code, error)


async def test_deleting_leaves_other_uploads_alone(wire: Wire) -> None:
    """end-9."""
    large = random_bytes(9 * 2**20)
    location = (await wire.patch(await wire.start(), large)).headers["Location"]
    digest = Digest.of(await wire.push_image("v1", LAYER))
    await delete(wire, f"manifests/{digest}")
    assert (await wire.finish(location, Digest.of(large))).status_code == 201
