"""OCI distribution-spec, "API": end-1, and names, routes and errors of every endpoint."""

import httpx
import pytest

from registry_core.spec.digest import Digest
from tests.support.content import CONFIG, image_manifest
from tests.support.wire import Wire, assert_error

pytestmark = pytest.mark.anyio

DIGEST = Digest.of(b"some content")


@pytest.mark.every_host
async def test_the_api_version_is_confirmed(wire: Wire) -> None:
    """end-1: with or without a trailing slash."""
    for path in ("/v2/", "/v2"):
        for method in ("GET", "HEAD"):
            answer = await wire.client.request(method, path)
            assert answer.status_code == 200


@pytest.mark.every_host
async def test_the_root_shows_a_page_for_people(wire: Wire) -> None:
    """Besides every endpoint."""
    answer = await wire.client.get("/")
    assert answer.status_code == 200
    assert "container registry" in answer.text
    assert f"docker push {wire.client.base_url.netloc.decode()}/" in answer.text


@pytest.mark.every_host
async def test_every_answer_names_the_api_version(wire: Wire) -> None:
    """Every endpoint, including errors, redirects and unknown paths (Docker HTTP API V2)."""
    manifest = await wire.push_image("v1", b"layer")
    location, blob = await wire.start(), f"{wire.base}/blobs/{Digest.of(CONFIG)}"
    requests = [
        (200, wire.client.get("/v2/")),
        (200, wire.client.head(f"{wire.base}/manifests/v1")),
        (200, wire.client.get("/v2/_catalog?n=1")),
        (200, wire.client.get(f"{wire.base}/referrers/{DIGEST}")),
        (201, wire.put_manifest("v2", manifest)),
        (202, wire.client.post(f"{wire.base}/blobs/uploads/")),
        (202, wire.client.delete(f"{wire.base}/manifests/v2")),
        (204, wire.client.get(location)),
        (304, wire.client.get(blob, headers={"If-None-Match": "*"})),
        (400, wire.client.get("/v2/UPPER/tags/list")),
        (404, wire.client.get(f"{wire.base}/blobs/{DIGEST}")),
        (404, wire.client.head(f"{wire.base}/manifests/absent")),
        (404, wire.client.get("/v2/no/such/endpoint")),
        (405, wire.client.post("/v2/")),
        (416, wire.patch(location, b"x", **{"Content-Range": "5-5"})),
    ]
    for status, request in requests:
        answer = await request
        assert answer.status_code == status, answer.text
        assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0", answer.url
    answer = await wire.client.get(blob)
    assert answer.status_code in (200, 307)
    assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"


@pytest.mark.parametrize("name", ["UPPER", "-a", "a..b", "a___b", "a" * 256, "a/_layers"])
async def test_invalid_names_are_refused(wire: Wire, name: str) -> None:
    """Every endpoint of a repository."""
    await assert_name_is_refused(wire, name)


@pytest.mark.every_host
@pytest.mark.parametrize("name", ["a//b", "a/", "ä", "a b"])
async def test_invalid_names_that_a_host_might_rewrite_are_refused(wire: Wire, name: str) -> None:
    """Every endpoint of a repository."""
    await assert_name_is_refused(wire, name)


async def assert_name_is_refused(wire: Wire, name: str) -> None:
    with wire.nothing_new_in_storage():
        for method, path in [
            ("GET", f"/v2/{name}/tags/list"),
            ("GET", f"/v2/{name}/manifests/v1"),
            ("GET", f"/v2/{name}/blobs/{DIGEST}"),
            ("GET", f"/v2/{name}/referrers/{DIGEST}"),
            ("PUT", f"/v2/{name}/manifests/v1"),
            ("POST", f"/v2/{name}/blobs/uploads/"),
            ("DELETE", f"/v2/{name}/manifests/v1"),
            ("DELETE", f"/v2/{name}/blobs/{DIGEST}"),
        ]:
            assert_error(await wire.client.request(method, path), 400, "NAME_INVALID")


@pytest.mark.parametrize("tag", ["-v1", ".v1", "a" * 129, "ä", "v1+build", "v 1"])
async def test_invalid_tags_are_refused_and_not_found(wire: Wire, tag: str) -> None:
    """end-3, end-7a."""
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
async def test_invalid_digests_are_refused(wire: Wire, digest: str) -> None:
    """Every endpoint that takes one, but mounts: see `test_push_mount`."""
    location = await wire.start()
    with wire.nothing_new_in_storage():
        requests = [
            ("GET", f"{wire.base}/blobs/{digest}"),
            ("GET", f"{wire.base}/manifests/{digest}"),
            ("GET", f"{wire.base}/referrers/{digest}"),
            ("PUT", f"{wire.base}/manifests/{digest}"),
            ("POST", f"{wire.base}/blobs/uploads/?digest={digest}"),
            ("PUT", str(httpx.URL(location).copy_add_param("digest", digest))),
            ("DELETE", f"{wire.base}/blobs/{digest}"),
            ("DELETE", f"{wire.base}/manifests/{digest}"),
        ]
        for method, url in requests:
            assert_error(await wire.client.request(method, url), 400, "DIGEST_INVALID")


@pytest.mark.every_host
@pytest.mark.parametrize("path", ["/v2/x", "/v2/a/b", "/v2/a/tags", "/v2/a/blobs/x/y", "/v2/_x"])
async def test_a_path_without_an_endpoint_is_unknown(wire: Wire, path: str) -> None:
    """Besides every endpoint."""
    for method in ("GET", "PUT", "POST", "DELETE"):
        assert_error(await wire.client.request(method, path), 404, "NAME_UNKNOWN")


@pytest.mark.every_host
@pytest.mark.parametrize(
    "path, methods",
    [
        ("/v2/", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
        ("/v2/_catalog", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
        ("/v2/a/tags/list", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
        ("/v2/a/manifests/v1", ["POST", "PATCH", "OPTIONS"]),
        (f"/v2/a/blobs/{DIGEST}", ["POST", "PUT", "PATCH", "OPTIONS"]),
        (f"/v2/a/referrers/{DIGEST}", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
        ("/v2/a/blobs/uploads/", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    ],
)
async def test_an_unsupported_method_is_refused_with_the_supported_ones(
    wire: Wire, path: str, methods: list[str]
) -> None:
    """Every endpoint's path."""
    for method in methods:
        answer = await wire.client.request(method, path)
        message = assert_error(answer, 405, "UNSUPPORTED")
        assert answer.headers["Allow"]
        assert answer.headers["Allow"] in message
