"""OCI distribution-spec, "Push", manifests: end-7a."""

import pytest

from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.support.content import CONFIG, image_index, image_manifest
from tests.support.wire import Wire

pytestmark = pytest.mark.anyio

LAYER = b"a small layer"


@pytest.mark.every_host
async def test_a_manifest_is_pushed_by_tag_and_by_digest(wire: Wire) -> None:
    """end-7a: the `Location` of the answer can be pulled."""
    await wire.push_blob(CONFIG)
    await wire.push_blob(LAYER)
    manifest = image_manifest(LAYER)
    for reference in ("v1", Digest.of(manifest), Digest.of(manifest, "sha512")):
        answer = await wire.put_manifest(reference, manifest)
        digest = reference if isinstance(reference, Digest) else Digest.of(manifest)
        assert answer.status_code == 201, answer.text
        assert answer.headers["Docker-Content-Digest"] == str(digest)
        pulled = await wire.client.get(answer.headers["Location"])
        assert pulled.content == manifest


@pytest.mark.parametrize("content_type", [None, f"{media_types.OCI_MANIFEST}; charset=utf-8"])
async def test_the_media_type_of_the_document_suffices(
    wire: Wire, content_type: str | None
) -> None:
    """end-7a: it is pulled with the same media type."""
    await wire.push_blob(CONFIG)
    assert (await wire.put_manifest("v1", image_manifest(), content_type)).status_code == 201
    answer = await wire.client.get(f"{wire.base}/manifests/v1")
    assert answer.headers["Content-Type"] == media_types.OCI_MANIFEST


async def test_the_header_suffices_where_the_document_has_no_media_type(wire: Wire) -> None:
    """end-7a: OCI documents may omit it."""
    await wire.push_blob(CONFIG)
    manifest = image_manifest(mediaType=None)
    assert (await wire.put_manifest("v1", manifest)).status_code == 201
    answer = await wire.client.get(f"{wire.base}/manifests/v1")
    assert answer.headers["Content-Type"] == media_types.OCI_MANIFEST


@pytest.mark.every_host
async def test_an_index_is_pushed_after_its_images(wire: Wire) -> None:
    """end-7a."""
    children = [await wire.push_image(f"p{number}", f"{number}".encode()) for number in range(2)]
    index = image_index(*children)
    answer = await wire.put_manifest("multi", index, media_types.OCI_INDEX)
    assert answer.status_code == 201, answer.text
    assert (await wire.client.get(f"{wire.base}/manifests/multi")).content == index


async def test_a_repeated_push_changes_nothing(wire: Wire) -> None:
    """end-7a: a client that lost the answer sends it again."""
    manifest = await wire.push_image("v1", LAYER)
    with wire.nothing_new_in_storage():
        assert (await wire.put_manifest("v1", manifest)).status_code == 201
    assert (await wire.client.get(f"{wire.base}/tags/list")).json()["tags"] == ["v1"]
