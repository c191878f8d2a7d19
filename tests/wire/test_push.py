"""OCI distribution-spec, "Push": end-4 to end-7, end-13."""

from collections.abc import AsyncIterator

import httpx
import pytest

from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.support.content import CONFIG, image_index, image_manifest, in_pieces, random_bytes
from tests.support.wire import OCTETS, Wire

pytestmark = pytest.mark.anyio

SMALL = b"a small layer"
LARGE = random_bytes(20 * 2**20 + 3)
CONTENTS = pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])


async def assert_pulls(wire: Wire, digest: Digest, content: bytes) -> None:
    answer = await wire.client.get(f"{wire.base}/blobs/{digest}", follow_redirects=True)
    assert (answer.status_code, answer.content) == (200, content)


def assert_created(wire: Wire, answer: httpx.Response, digest: Digest) -> None:
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"{wire.client.base_url.join(wire.base)}/blobs/{digest}"
    assert answer.headers["Docker-Content-Digest"] == str(digest)


@CONTENTS
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_post_then_put(wire: Wire, content: bytes, algorithm: str) -> None:
    """end-4a, end-6, as containerd and ORAS do it."""
    digest = Digest.of(content, algorithm)
    assert_created(wire, await wire.finish(await wire.start(), digest, content), digest)
    await assert_pulls(wire, digest, content)


@CONTENTS
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_single_post(wire: Wire, content: bytes, algorithm: str) -> None:
    """end-4b."""
    digest = Digest.of(content, algorithm)
    url = f"{wire.base}/blobs/uploads/?digest={digest}"
    assert_created(wire, await wire.client.post(url, content=content, headers=OCTETS), digest)
    await assert_pulls(wire, digest, content)


@CONTENTS
async def test_one_patch_of_unknown_length_then_put(wire: Wire, content: bytes) -> None:
    """end-5, as docker does it: chunked transfer encoding, nothing in the PUT."""
    location = await wire.start()
    answer = await wire.client.patch(location, content=in_pieces(content), headers=OCTETS)
    assert (answer.status_code, answer.headers["Range"]) == (202, f"0-{len(content) - 1}")
    assert answer.headers["Docker-Upload-UUID"]
    digest = Digest.of(content)
    assert_created(wire, await wire.finish(answer.headers["Location"], digest), digest)
    await assert_pulls(wire, digest, content)


@CONTENTS
async def test_chunks_in_order_with_status_in_between(wire: Wire, content: bytes) -> None:
    """end-5, end-13, and the last chunk in the PUT."""
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


async def test_an_upload_begins_with_advice_on_the_length_of_chunks(wire: Wire) -> None:
    """Which is not enforced: chunks of a byte are taken."""
    answer = await wire.client.post(f"{wire.base}/blobs/uploads/")
    lengths = [int(answer.headers[f"OCI-Chunk-{end}-Length"]) for end in ("Min", "Max")]
    assert 0 < lengths[0] < lengths[1]
    location = answer.headers["Location"]
    for start in range(3):
        answer = await wire.patch(location, b"x", **{"Content-Range": f"{start}-{start}"})
        assert answer.status_code == 202, answer.text
        location = answer.headers["Location"]
    assert (await wire.finish(location, Digest.of(b"xxx"))).status_code == 201


async def test_the_first_status_is_empty(wire: Wire) -> None:
    answer = await wire.client.get(await wire.start())
    assert (answer.status_code, answer.headers["Range"]) == (204, "0-0")


async def test_a_chunk_out_of_order_tells_where_to_resume(wire: Wire) -> None:
    """The specification: a chunk out of order MUST be answered with 416."""
    answer = await wire.patch(await wire.start(), LARGE)
    late = await wire.patch(answer.headers["Location"], b"x", **{"Content-Range": "0-0"})
    assert (late.status_code, late.headers["Range"]) == (416, f"0-{len(LARGE) - 1}")
    rest = f"{len(LARGE)}-{len(LARGE)}"
    answer = await wire.patch(late.headers["Location"], b"x", **{"Content-Range": rest})
    digest = Digest.of(LARGE + b"x")
    assert_created(wire, await wire.finish(answer.headers["Location"], digest), digest)


async def test_a_cancelled_upload_is_gone(wire: Wire) -> None:
    location = (await wire.patch(await wire.start(), LARGE)).headers["Location"]
    assert (await wire.client.delete(location)).status_code == 204
    assert (await wire.client.get(location)).status_code == 404
    assert (await wire.patch(location, b"x")).status_code == 404
    assert (await wire.finish(location, Digest.of(LARGE))).status_code == 404


async def test_a_manifest_is_pushed_by_tag_and_by_digest(wire: Wire) -> None:
    """end-7."""
    await wire.push_blob(CONFIG)
    await wire.push_blob(SMALL)
    manifest = image_manifest(SMALL)
    for reference in ("v1", Digest.of(manifest), Digest.of(manifest, "sha512")):
        answer = await wire.put_manifest(reference, manifest)
        digest = reference if isinstance(reference, Digest) else Digest.of(manifest)
        assert answer.status_code == 201, answer.text
        assert answer.headers["Docker-Content-Digest"] == str(digest)
        pulled = await wire.client.get(answer.headers["Location"])
        assert pulled.content == manifest


@pytest.mark.parametrize("content_type", [None, f"{media_types.OCI_MANIFEST}; charset=utf-8"])
async def test_a_manifests_own_media_type_suffices(wire: Wire, content_type: str | None) -> None:
    await wire.push_blob(CONFIG)
    assert (await wire.put_manifest("v1", image_manifest(), content_type)).status_code == 201
    answer = await wire.client.get(f"{wire.base}/manifests/v1")
    assert answer.headers["Content-Type"] == media_types.OCI_MANIFEST


async def test_the_header_suffices_where_the_document_names_no_media_type(wire: Wire) -> None:
    await wire.push_blob(CONFIG)
    manifest = image_manifest(mediaType=None)
    assert (await wire.put_manifest("v1", manifest)).status_code == 201
    answer = await wire.client.get(f"{wire.base}/manifests/v1")
    assert answer.headers["Content-Type"] == media_types.OCI_MANIFEST


async def test_an_index_of_two_platforms(wire: Wire) -> None:
    children = [await wire.push_image(f"p{number}", f"{number}".encode()) for number in range(2)]
    index = image_index(*children)
    answer = await wire.put_manifest("multi", index, media_types.OCI_INDEX)
    assert answer.status_code == 201, answer.text
    assert (await wire.client.get(f"{wire.base}/manifests/multi")).content == index


@pytest.mark.parametrize("kind", [media_types.DOCKER_MANIFEST, media_types.OCI_MANIFEST])
async def test_docker_manifests_are_as_good_as_ocis(wire: Wire, kind: str) -> None:
    await wire.push_blob(CONFIG)
    assert (await wire.put_manifest("v1", image_manifest(mediaType=kind), kind)).status_code == 201


async def test_tags_are_listed_in_pages(wire: Wire) -> None:
    """end-8a, end-8b."""
    tags = sorted(["a", "a-1", "a.1", "b", "latest"])
    for tag in tags:
        await wire.push_image(tag, SMALL)
    answer = await wire.client.get(f"{wire.base}/tags/list")
    assert answer.json() == {"name": wire.repository, "tags": tags}
    seen = [tag async for tag in pages(wire, f"{wire.base}/tags/list?n=2")]
    assert seen == tags
    assert (await wire.client.get(f"{wire.base}/tags/list?n=0")).json()["tags"] == []
    assert (await wire.client.get(f"{wire.base}/tags/list?last=a.1")).json()["tags"] == tags[3:]


async def pages(wire: Wire, url: str) -> AsyncIterator[str]:
    while url:
        answer = await wire.client.get(url)
        for tag in answer.json()["tags"]:
            yield tag
        url = answer.links.get("next", {}).get("url", "")
