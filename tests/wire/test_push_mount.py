"""OCI distribution-spec, "Mounting a blob from another repository": end-11."""

import pytest

from registry_core.spec.digest import Digest
from tests.support.wire import Wire, assert_error, fresh_name

pytestmark = pytest.mark.anyio

LAYER = b"a layer"


async def mount(wire: Wire, digest: Digest, source: str | None) -> tuple[int, str]:
    query = {"mount": str(digest)} | ({"from": source} if source else {})
    answer = await wire.client.post(f"{wire.base}/blobs/uploads/", params=query)
    return answer.status_code, answer.headers["Location"]


@pytest.mark.every_host
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("named", ["with from", "without from"])
async def test_a_blob_is_mounted(wire: Wire, named: str, algorithm: str) -> None:
    """end-11: where the caller may read everything, the digest suffices."""
    source = Wire(wire.client, fresh_name(), wire.paths)
    digest = Digest.of(LAYER, algorithm)
    await source.finish(await source.start(), digest, LAYER)
    origin = source.repository if named == "with from" else None
    status, location = await mount(wire, digest, origin)
    assert status == 201
    answer = await wire.client.get(location, follow_redirects=True)
    assert answer.content == LAYER
    head = await wire.client.head(f"{wire.base}/blobs/{digest}")
    assert head.headers["Content-Length"] == str(len(LAYER))


@pytest.mark.parametrize("source", ["never/pushed", None])
async def test_a_failed_mount_starts_an_upload(wire: Wire, source: str | None) -> None:
    """end-11, end-6."""
    content = wire.repository.encode()
    digest = Digest.of(content, "sha512")
    status, location = await mount(wire, digest, source)
    assert status == 202
    assert (await wire.finish(location, digest, content)).status_code == 201


async def test_a_blob_is_not_mounted_from_a_repository_without_it(wire: Wire) -> None:
    """end-11: even if another repository has it."""
    await Wire(wire.client, fresh_name(), wire.paths).push_blob(LAYER)
    status, _ = await mount(wire, Digest.of(LAYER), "never/pushed")
    assert status == 202


async def test_an_invalid_mount_is_refused(wire: Wire) -> None:
    """end-11, end-4c."""
    url = f"{wire.base}/blobs/uploads/"
    with wire.nothing_new_in_storage():
        answer = await wire.client.post(url, params={"mount": "x", "from": "a"})
        assert_error(answer, 400, "DIGEST_INVALID")
        answer = await wire.client.post(url, params={"mount": str(Digest.of(b"")), "from": "A"})
        assert_error(answer, 400, "NAME_INVALID")
        answer = await wire.client.post(url, params={"digest-algorithm": "md5"})
        assert_error(answer, 400, "DIGEST_INVALID")
