"""OCI distribution-spec, "Push": refusals store nothing. end-4b, end-5, end-6, end-7a."""

import time

import httpx
import pytest

from registry_core.registry import Upload
from registry_core.server.sessions import LIFETIME, SessionSealer, UploadSession
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.support.content import CONFIG, descriptor, image_index, image_manifest, random_bytes
from tests.support.wire import OCTETS, Wire, assert_error
from tests.wire.conftest import SECRET

pytestmark = pytest.mark.anyio

LARGE = random_bytes(10 * 2**20)
DIGEST = Digest.of(b"some content")


async def test_a_put_without_a_digest(wire: Wire) -> None:
    """end-6."""
    with wire.nothing_new_in_storage():
        answer = await wire.client.put(await wire.start(), content=b"x", headers=OCTETS)
        assert "digest=" in assert_error(answer, 400, "DIGEST_INVALID")


@pytest.mark.every_host
@pytest.mark.parametrize("content", [b"small", LARGE], ids=["small", "large"])
async def test_a_digest_that_does_not_match_the_content(wire: Wire, content: bytes) -> None:
    """end-4b, end-5, end-6: the error names the right digest."""
    with wire.nothing_new_in_storage():
        answer = await wire.finish(await wire.start(), DIGEST, content)
        message = assert_error(answer, 400, "DIGEST_INVALID")
        assert str(Digest.of(content)) in message
        url = f"{wire.base}/blobs/uploads/?digest={DIGEST}"
        answer = await wire.client.post(url, content=content, headers=OCTETS)
        assert_error(answer, 400, "DIGEST_INVALID")
        location = (await wire.patch(await wire.start(), LARGE)).headers["Location"]
        assert_error(await wire.finish(location, DIGEST, content), 400, "DIGEST_INVALID")


async def test_an_upload_finished_at_an_old_location_names_the_newest(wire: Wire) -> None:
    """end-6: distribution-spec issue 415. The first location has nothing; the next one works."""
    first = await wire.start()
    newest = (await wire.patch(first, b"some content")).headers["Location"]
    message = assert_error(await wire.finish(first, DIGEST), 400, "DIGEST_INVALID")
    assert message == "no content arrived; after a PATCH, continue at the Location of its answer"
    assert (await wire.finish(newest, DIGEST)).status_code == 201


@pytest.mark.parametrize("range_", ["5-9", "x", "9-0", "-1--1", "bytes 1-5/6"])
async def test_a_content_range_that_is_invalid_or_not_the_next(wire: Wire, range_: str) -> None:
    """end-5."""
    with wire.nothing_new_in_storage():
        header = {"Content-Range": range_}
        answer = await wire.patch(await wire.start(), b"01234", **header)
        assert_error(answer, 416, "RANGE_INVALID")


@pytest.mark.every_host
async def test_a_content_range_whose_length_differs_from_the_body(wire: Wire) -> None:
    """end-5."""
    with wire.nothing_new_in_storage():
        header = {"Content-Range": "0-9"}
        assert_error(await wire.patch(await wire.start(), b"01234", **header), 400, "SIZE_INVALID")


async def test_a_forged_upload_state(wire: Wire) -> None:
    """end-5, end-6, end-13, end-14."""
    location = httpx.URL(await wire.start())
    state = location.params["_state"]
    sealer = SessionSealer(SECRET)

    def session(repository: str, upload_id: str) -> UploadSession:
        return UploadSession(Upload(repository, upload_id), "", time.time())

    upload_id = location.path.rpartition("/")[2]
    forged_states = {
        "altered": f"{state[:-8]}{state[-8:][::-1]}",
        "altered at the beginning": f"{state[:8][::-1]}{state[8:]}",
        "cut off": state[:20],
        "another secret's": SessionSealer("another secret, just as long").seal(
            session(wire.repository, upload_id)
        ),
        "expired": SessionSealer(
            SECRET, now=lambda: time.time() - LIFETIME.total_seconds() - 1
        ).seal(session(wire.repository, upload_id)),
        "another upload's": sealer.seal(session(wire.repository, "another")),
        "another repository's": sealer.seal(session("foreign", upload_id)),
        "unsealed": "eyJvZmZzZXQiOjV9",
        "no state": "x",
    }
    with wire.nothing_new_in_storage():
        for text in forged_states.values():
            bad = str(location.copy_set_param("_state", text))
            assert_error(await wire.client.get(bad), 404, "BLOB_UPLOAD_INVALID")
            assert_error(await wire.patch(bad, b"x"), 404, "BLOB_UPLOAD_INVALID")
            assert_error(await wire.finish(bad, DIGEST, b"x"), 404, "BLOB_UPLOAD_INVALID")
            assert_error(await wire.client.delete(bad), 404, "BLOB_UPLOAD_INVALID")
        bare = str(location.copy_remove_param("_state"))
        assert_error(await wire.client.get(bare), 404, "BLOB_UPLOAD_UNKNOWN")


async def test_an_upload_is_bound_to_its_repository(wire: Wire) -> None:
    """end-5."""
    location = await wire.start()
    elsewhere = location.replace(wire.repository, f"{wire.repository}/elsewhere")
    with wire.nothing_new_in_storage():
        assert_error(await wire.patch(elsewhere, b"x"), 404, "BLOB_UPLOAD_INVALID")


@pytest.mark.parametrize(
    "content, content_type",
    [
        (b"", None),
        (b"not json", media_types.OCI_MANIFEST),
        (b"[]", media_types.OCI_MANIFEST),
        (b"{}", media_types.OCI_MANIFEST),
        (b"[" * 100_000, media_types.OCI_MANIFEST),
        (b'{"schemaVersion": 2, "schemaVersion": 2}', media_types.OCI_MANIFEST),
        (image_manifest(schemaVersion=1), media_types.OCI_MANIFEST),
        (image_manifest(mediaType="text/plain"), "text/plain"),
        (image_manifest(), media_types.OCI_INDEX),
        (image_index(), media_types.OCI_MANIFEST),
        (image_manifest(config=None), media_types.OCI_MANIFEST),
        (image_manifest(layers="none"), media_types.OCI_MANIFEST),
        (image_manifest(layers=[descriptor(b"x") | {"size": -1}]), media_types.OCI_MANIFEST),
        (image_manifest(layers=[descriptor(b"x") | {"digest": "x"}]), media_types.OCI_MANIFEST),
    ],
)
async def test_invalid_manifests(wire: Wire, content: bytes, content_type: str | None) -> None:
    """end-7a."""
    await wire.push_blob(CONFIG)
    with wire.nothing_new_in_storage():
        for reference in ("v1", Digest.of(content)):
            answer = await wire.put_manifest(reference, content, content_type)
            assert_error(answer, 400, "MANIFEST_INVALID")


async def test_a_manifest_that_does_not_match_its_digest(wire: Wire) -> None:
    """end-7a."""
    await wire.push_blob(CONFIG)
    with wire.nothing_new_in_storage():
        assert_error(await wire.put_manifest(DIGEST, image_manifest()), 400, "DIGEST_INVALID")


async def test_a_manifest_with_missing_references(wire: Wire) -> None:
    """end-7a: the errors name every missing digest."""
    await wire.push_blob(CONFIG)
    with wire.nothing_new_in_storage():
        answer = await wire.put_manifest("v1", image_manifest(b"one", b"two"))
        assert_error(answer, 400, "MANIFEST_BLOB_UNKNOWN")
        named = [error["detail"]["digest"] for error in answer.json()["errors"]]
        assert named == [str(Digest.of(b"one")), str(Digest.of(b"two"))]
        answer = await wire.put_manifest("v1", image_index(b"child"), media_types.OCI_INDEX)
        assert_error(answer, 400, "MANIFEST_BLOB_UNKNOWN")
