"""Staging and direct uploads, over the storage that the registry really has."""

from __future__ import annotations

import httpx
import pytest

from registry_core.spec.digest import Digest
from registry_core.spec.staging import Staging
from tests.support.content import CONFIG, image_manifest, random_bytes
from tests.support.wire import Wire, assert_error

pytestmark = pytest.mark.anyio

CONTAINERD = {"User-Agent": "containerd/2.2.0"}
BLOCKS = [random_bytes(300_000, seed) for seed in range(3)]
LAYER = b"".join(BLOCKS)


async def test_without_staging_the_answer_is_the_uploads_status(wire: Wire) -> None:
    """A client that knows the extension can try it with any registry."""
    location = await wire.start()
    answer = await wire.client.get(f"{location}&staging=1")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Range"] == "0-0"


async def test_without_staged_blocks_there_is_no_upload_to_finish(wire: Wire) -> None:
    digest = Digest.of(b"a layer")
    answer = await wire.client.put(f"{await wire.start()}&digest={digest}&blocks=1")
    assert_error(answer, 404, "BLOB_UPLOAD_UNKNOWN")


async def test_without_direct_uploads_every_client_sends_its_bytes_to_the_registry(
    wire: Wire,
) -> None:
    wire.client.headers.update(CONTAINERD)
    await wire.push_image("v1", LAYER)


async def staging_of(wire: Wire, location: str) -> Staging:
    answer = await wire.client.get(f"{location}&staging=1")
    assert answer.status_code == 200, answer.text
    return Staging.parse(answer.content)


async def put_directly(wire: Wire, content: bytes, digest: Digest | None = None) -> httpx.URL:
    """Upload as containerd does: one PUT with a length, the digest added to the query."""
    begun = await wire.client.post(f"{wire.base}/blobs/uploads/", headers=CONTAINERD)
    assert begun.status_code == 202, begun.text
    url = httpx.URL(begun.headers["Location"])
    assert url.netloc != wire.client.base_url.netloc
    url = url.copy_add_param("digest", str(digest or Digest.of(content)))
    headers = {"Content-Type": "application/octet-stream"} | CONTAINERD
    answer = await wire.client.put(url, content=content, headers=headers)
    assert answer.status_code == 201, answer.text
    return url


@pytest.mark.to_storage
async def test_blocks_that_are_staged_in_any_order_become_a_blob(wire: Wire) -> None:
    """One of them twice, as after a lost answer; the request to finish twice as well."""
    location = await wire.start()
    staging = await staging_of(wire, location)
    for index in (2, 0, 1, 2):
        answer = await wire.client.put(staging.block_url(index), content=BLOCKS[index])
        assert answer.status_code == 201, answer.text
    for _ in range(2):
        finish = f"{location}&digest={Digest.of(LAYER)}&blocks=3"
        answer = await wire.client.put(finish)
        assert answer.status_code == 201, answer.text
    got = await wire.client.get(f"{wire.base}/blobs/{Digest.of(LAYER)}", follow_redirects=True)
    assert got.content == LAYER


@pytest.mark.to_storage
async def test_a_blob_of_which_a_block_is_missing_is_not_finished(wire: Wire) -> None:
    location = await wire.start()
    staging = await staging_of(wire, location)
    await wire.client.put(staging.block_url(1), content=BLOCKS[1])
    answer = await wire.client.put(f"{location}&digest={Digest.of(LAYER)}&blocks=2")
    assert "blocks" in assert_error(answer, 404, "BLOB_UPLOAD_UNKNOWN")


@pytest.mark.to_storage
async def test_what_a_client_has_put_to_storage_is_in_the_image_that_it_pushes(wire: Wire) -> None:
    """The registry has not seen one byte of it before."""
    for content in (CONFIG, LAYER):
        await put_directly(wire, content)
    wire.client.headers.update(CONTAINERD)
    answer = await wire.put_manifest("v1", image_manifest(LAYER))
    assert answer.status_code == 201, answer.text
    for content in (CONFIG, LAYER):
        url = f"{wire.base}/blobs/{Digest.of(content)}"
        assert (await wire.client.get(url, follow_redirects=True)).content == content
    assert not [path for path in wire.paths() if "_direct-" in path and wire.repository in path]


@pytest.mark.to_storage
async def test_content_that_is_not_what_was_announced_is_in_no_image(wire: Wire) -> None:
    other = bytes(len(LAYER))
    await put_directly(wire, CONFIG)
    await put_directly(wire, other, digest=Digest.of(LAYER))
    wire.client.headers.update(CONTAINERD)
    answer = await wire.put_manifest("v1", image_manifest(LAYER))
    assert_error(answer, 400, "MANIFEST_BLOB_UNKNOWN")
    assert (await wire.client.head(f"{wire.base}/blobs/{Digest.of(LAYER)}")).status_code == 404


@pytest.mark.to_storage
async def test_a_lost_push_goes_on_without_sending_layers_again(wire: Wire) -> None:
    """The client finds them when it looks whether they are there."""
    await put_directly(wire, LAYER)
    url = f"{wire.base}/blobs/{Digest.of(LAYER)}"
    assert (await wire.client.head(url)).status_code == 404
    answer = await wire.client.head(url, headers=CONTAINERD)
    assert (answer.status_code, answer.headers["Content-Length"]) == (200, str(len(LAYER)))


@pytest.mark.to_storage
@pytest.mark.parametrize("is_direct", [True, False], ids=["direct", "staged"])
async def test_the_url_permits_nothing_but_to_write_that_upload(
    wire: Wire, *, is_direct: bool
) -> None:
    """Storage refuses reads, deletions, listings, and writes to anything else."""
    if is_direct:
        url = await put_directly(wire, LAYER)
    else:
        url = httpx.URL((await staging_of(wire, await wire.start())).block_url(0))
        assert (await wire.client.put(url, content=LAYER)).status_code == 201
    content = f"/{Digest.of(LAYER).hex}/data"
    container = url.path.split("docker/registry", 1)[0].rstrip("/")
    read = url.copy_remove_param("comp")
    listed = read.copy_with(path=container)
    listed = listed.copy_merge_params({"restype": "container", "comp": "list"})
    for method, target, body in [
        ("GET", read, b""),
        ("HEAD", read, b""),
        ("DELETE", read, b""),
        ("GET", url.copy_set_param("comp", "blocklist"), b""),
        ("GET", listed, b""),
        ("PUT", url.copy_with(path=url.path.rsplit("/", 1)[0] + "/other"), b"x"),
        ("PUT", url.copy_with(path=container + content), b"x"),
    ]:
        answer = await wire.client.request(method, target, content=body)
        assert answer.status_code == 403, (method, str(target), answer.status_code, answer.text)
