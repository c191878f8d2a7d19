"""Bad input: each kind gets the specification's error, with what is wrong, and leaves nothing."""

import time

import httpx
import jwt
import pytest

from registry_core.registry import Upload
from registry_core.server.manifests import MANIFEST_LIMIT
from registry_core.server.upload_token import LIFETIME, UploadTokens
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.support.content import CONFIG, descriptor, image_index, image_manifest, random_bytes
from tests.support.wire import OCTETS, Wire, assert_error
from tests.wire.conftest import SECRET

pytestmark = pytest.mark.anyio

LARGE = random_bytes(10 * 2**20)
DIGEST = Digest.of(b"some content")


@pytest.mark.parametrize(
    "name", ["UPPER", "a//b", "-a", "a/", "a..b", "a___b", "ä", "a b", "a" * 256, "a/_layers"]
)
async def test_bad_names(wire: Wire, name: str) -> None:
    with wire.nothing_new_in_storage():
        for method, path in [
            ("GET", f"/v2/{name}/tags/list"),
            ("GET", f"/v2/{name}/manifests/v1"),
            ("GET", f"/v2/{name}/blobs/{DIGEST}"),
            ("PUT", f"/v2/{name}/manifests/v1"),
            ("POST", f"/v2/{name}/blobs/uploads/"),
        ]:
            assert_error(await wire.client.request(method, path), 400, "NAME_INVALID")


@pytest.mark.parametrize("tag", ["-v1", ".v1", "a" * 129, "ä", "v1+build", "v 1"])
async def test_bad_tags(wire: Wire, tag: str) -> None:
    await wire.push_blob(CONFIG)
    with wire.nothing_new_in_storage():
        assert_error(await wire.put_manifest(tag, image_manifest()), 400, "TAG_INVALID")
    answer = await wire.client.get(f"{wire.base}/manifests/{tag}")
    assert_error(answer, 404, "MANIFEST_UNKNOWN")


@pytest.mark.parametrize(
    "digest",
    [
        "sha256:abc",
        f"sha256:{'G' * 64}",
        f"sha256:{'A' * 64}",
        f"md5:{'a' * 32}",
        f"{DIGEST}0",
        ":",
    ],
)
async def test_bad_digests(wire: Wire, digest: str) -> None:
    location = await wire.start()
    with wire.nothing_new_in_storage():
        requests = [
            ("GET", f"{wire.base}/blobs/{digest}"),
            ("GET", f"{wire.base}/manifests/{digest}"),
            ("PUT", f"{wire.base}/manifests/{digest}"),
            ("POST", f"{wire.base}/blobs/uploads/?digest={digest}"),
            ("PUT", str(httpx.URL(location).copy_add_param("digest", digest))),
        ]
        for method, url in requests:
            assert_error(await wire.client.request(method, url), 400, "DIGEST_INVALID")


async def test_a_put_without_digest(wire: Wire) -> None:
    with wire.nothing_new_in_storage():
        answer = await wire.client.put(await wire.start(), content=b"x", headers=OCTETS)
        assert "digest=" in assert_error(answer, 400, "DIGEST_INVALID")


@pytest.mark.parametrize("content", [b"small", LARGE], ids=["small", "large"])
async def test_a_digest_that_is_not_the_contents(wire: Wire, content: bytes) -> None:
    with wire.nothing_new_in_storage():
        answer = await wire.finish(await wire.start(), DIGEST, content)
        message = assert_error(answer, 400, "DIGEST_INVALID")
        assert str(Digest.of(content)) in message
        url = f"{wire.base}/blobs/uploads/?digest={DIGEST}"
        answer = await wire.client.post(url, content=content, headers=OCTETS)
        assert_error(answer, 400, "DIGEST_INVALID")
        location = (await wire.patch(await wire.start(), LARGE)).headers["Location"]
        assert_error(await wire.finish(location, DIGEST, content), 400, "DIGEST_INVALID")


@pytest.mark.parametrize("range_", ["5-9", "x", "9-0", "-1--1", "bytes 1-5/6"])
async def test_a_content_range_that_is_not_the_next(wire: Wire, range_: str) -> None:
    with wire.nothing_new_in_storage():
        header = {"Content-Range": range_}
        answer = await wire.patch(await wire.start(), b"01234", **header)
        assert_error(answer, 416, "RANGE_INVALID")


async def test_a_content_range_of_another_length_than_the_body(wire: Wire) -> None:
    with wire.nothing_new_in_storage():
        header = {"Content-Range": "0-9"}
        assert_error(await wire.patch(await wire.start(), b"01234", **header), 400, "SIZE_INVALID")


def forged(claims: dict[str, object], key: bytes) -> str:
    return jwt.encode(claims, key, algorithm="HS256")


async def test_an_upload_state_that_was_not_given_out(wire: Wire) -> None:
    location = httpx.URL(await wire.start())
    state = location.params["_state"]
    tokens = UploadTokens(SECRET)
    upload_id = location.path.rpartition("/")[2]
    head, _, signature = state.rpartition(".")
    tampered = {
        "altered signature": f"{head}.{signature[::-1]}",
        "no signature": f"{head}.",
        "another secret's": UploadTokens("another secret, just as long").sign(
            Upload(wire.repository, upload_id)
        ),
        "unsigned": jwt.encode({"repository": wire.repository, "id": upload_id}, "", "none"),
        "expired": UploadTokens(
            SECRET, now=lambda: time.time() - LIFETIME.total_seconds() - 1
        ).sign(Upload(wire.repository, upload_id)),
        "another upload's": tokens.sign(Upload(wire.repository, "another")),
        "another repository's": tokens.sign(Upload("foreign", upload_id)),
        "no token": "x",
    }
    with wire.nothing_new_in_storage():
        for text in tampered.values():
            bad = str(location.copy_set_param("_state", text))
            assert_error(await wire.client.get(bad), 404, "BLOB_UPLOAD_INVALID")
            assert_error(await wire.patch(bad, b"x"), 404, "BLOB_UPLOAD_INVALID")
            assert_error(await wire.finish(bad, DIGEST, b"x"), 404, "BLOB_UPLOAD_INVALID")
            assert_error(await wire.client.delete(bad), 404, "BLOB_UPLOAD_INVALID")
        bare = str(location.copy_remove_param("_state"))
        assert_error(await wire.client.get(bare), 404, "BLOB_UPLOAD_UNKNOWN")


async def test_an_upload_is_bound_to_its_repository(wire: Wire) -> None:
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
async def test_manifests_that_are_none(
    wire: Wire, content: bytes, content_type: str | None
) -> None:
    await wire.push_blob(CONFIG)
    with wire.nothing_new_in_storage():
        for reference in ("v1", Digest.of(content)):
            answer = await wire.put_manifest(reference, content, content_type)
            assert_error(answer, 400, "MANIFEST_INVALID")


async def test_a_manifest_that_is_not_what_its_digest_says(wire: Wire) -> None:
    await wire.push_blob(CONFIG)
    with wire.nothing_new_in_storage():
        assert_error(await wire.put_manifest(DIGEST, image_manifest()), 400, "DIGEST_INVALID")


async def test_a_manifest_that_references_what_is_not_there(wire: Wire) -> None:
    await wire.push_blob(CONFIG)
    with wire.nothing_new_in_storage():
        answer = await wire.put_manifest("v1", image_manifest(b"one", b"two"))
        assert_error(answer, 400, "MANIFEST_BLOB_UNKNOWN")
        named = [error["detail"]["digest"] for error in answer.json()["errors"]]
        assert named == [str(Digest.of(b"one")), str(Digest.of(b"two"))]
        answer = await wire.put_manifest("v1", image_index(b"child"), media_types.OCI_INDEX)
        assert_error(answer, 400, "MANIFEST_BLOB_UNKNOWN")


async def test_a_manifest_that_is_too_large(wire: Wire) -> None:
    await wire.push_blob(CONFIG)
    with wire.nothing_new_in_storage():
        manifest = image_manifest(annotations={"a": "x" * MANIFEST_LIMIT})
        assert_error(await wire.put_manifest("v1", manifest), 413, "MANIFEST_INVALID")


@pytest.mark.parametrize("number", ["-1", "x", "1.5", "", "9" * 30])
async def test_page_sizes_that_are_none(wire: Wire, number: str) -> None:
    answer = await wire.client.get(f"{wire.base}/tags/list?n={number}")
    assert_error(answer, 400, "PAGINATION_NUMBER_INVALID")


async def test_tags_of_an_unknown_repository(wire: Wire) -> None:
    answer = await wire.client.get("/v2/never/pushed/tags/list")
    assert_error(answer, 404, "NAME_UNKNOWN")


@pytest.mark.parametrize("path", ["/v2/x", "/v2/a/b", "/v2/a/tags", "/v2/a/blobs/x/y", "/v2/_x"])
async def test_unknown_routes(wire: Wire, path: str) -> None:
    for method in ("GET", "PUT", "POST", "DELETE"):
        assert_error(await wire.client.request(method, path), 404, "NAME_UNKNOWN")


@pytest.mark.parametrize(
    "path, methods",
    [
        ("/v2/", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
        ("/v2/a/tags/list", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
        ("/v2/a/manifests/v1", ["POST", "PATCH", "OPTIONS"]),
        ("/v2/a/blobs/uploads/", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    ],
)
async def test_unknown_methods(wire: Wire, path: str, methods: list[str]) -> None:
    for method in methods:
        answer = await wire.client.request(method, path)
        message = assert_error(answer, 405, "UNSUPPORTED")
        assert answer.headers["Allow"]
        assert answer.headers["Allow"] in message
