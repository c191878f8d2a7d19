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


GOOD = str(Digest.of(LAYER))

# Each is an upload instead, as at CNCF distribution.
IMPOSSIBLE_MOUNTS = {
    "the source's name is not valid": f"mount={GOOD}&from=Pause",
    "the source has a port": f"mount={GOOD}&from=localhost:5000/pause",
    "the source has an empty component": f"mount={GOOD}&from=a//b",
    "the source's name is too long": f"mount={GOOD}&from={'a' * 256}",
    "the last of two sources is not valid": f"mount={GOOD}&from=never/pushed&from=A",
    "the digest's algorithm is old": f"mount=md5:{'0' * 32}&from=never/pushed",
    "the digest's algorithm is unknown": f"mount=sha384:{'0' * 96}&from=never/pushed",
    "the digest is malformed": "mount=garbage&from=never/pushed",
    "the digest is empty": "mount=&from=never/pushed",
    "the digest is empty, without a source": "mount=",
    "nothing is valid": "mount=x&from=A&digest=x&digest-algorithm=md5",
    "a digest beside a malformed one": f"mount=x&digest={GOOD}",
    "a digest beside the one to mount": f"mount={GOOD}&from=never/pushed&digest={GOOD}",
    "the source is the repository itself": f"mount={GOOD}&from={{own}}",
}


@pytest.mark.parametrize("query", IMPOSSIBLE_MOUNTS.values(), ids=list(IMPOSSIBLE_MOUNTS))
async def test_a_mount_that_cannot_be_done_starts_an_upload_whatever_is_wrong(
    wire: Wire, query: str
) -> None:
    """end-11, and Docker HTTP API V2: "due to invalid repository or digest arguments"."""
    with wire.nothing_new_in_storage():
        url = f"{wire.base}/blobs/uploads/?{query.format(own=wire.repository)}"
        answer = await wire.client.post(url)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Range"] == "0-0"
    assert answer.headers["Docker-Upload-UUID"]
    assert (await wire.finish(answer.headers["Location"], GOOD, LAYER)).status_code == 201


async def test_a_malformed_source_does_not_stand_for_any_repository(wire: Wire) -> None:
    """end-11: though the caller may read everything, and another repository has the blob."""
    await Wire(wire.client, fresh_name(), wire.paths).push_blob(LAYER)
    status, _ = await mount(wire, Digest.of(LAYER), "Not/Valid")
    assert status == 202


async def test_a_blob_that_the_repository_has_is_mounted_from_itself(wire: Wire) -> None:
    """end-11."""
    await wire.push_blob(LAYER)
    status, _ = await mount(wire, Digest.of(LAYER), wire.repository)
    assert status == 201


async def test_the_last_of_several_sources_counts(wire: Wire) -> None:
    """end-11: as everywhere, the last of several parameters of one name."""
    source = Wire(wire.client, fresh_name(), wire.paths)
    await source.push_blob(LAYER)
    for sources, status in (((source.repository, "a"), 202), (("a", source.repository), 201)):
        query = {"mount": GOOD, "from": list(sources)}
        answer = await wire.client.post(f"{wire.base}/blobs/uploads/", params=query)
        assert answer.status_code == status


async def test_an_unsupported_algorithm_of_a_new_upload_is_refused(wire: Wire) -> None:
    """end-4c: no mount, so the client has to know."""
    with wire.nothing_new_in_storage():
        url = f"{wire.base}/blobs/uploads/"
        answer = await wire.client.post(url, params={"digest-algorithm": "md5"})
    assert "use sha256 or sha512" in assert_error(answer, 400, "DIGEST_INVALID")


async def test_a_mount_needs_a_valid_repository_to_mount_into(wire: Wire) -> None:
    """end-11."""
    answer = await wire.client.post(f"/v2/A/blobs/uploads/?mount={GOOD}&from=a")
    assert_error(answer, 400, "NAME_INVALID")
