"""Pushes and pulls through Microsoft's runtime: the registry answers as it does anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from registry_core.serve.azurite import Azurite
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from tests.e2e.registries import ALICE, settings_with_users
from tests.functions.conftest import Start
from tests.support.access_modes import parameters, password
from tests.support.azurite import create_container
from tests.support.content import CONFIG, image_manifest, random_bytes
from tests.support.host import PROJECT, RunningHost
from tests.support.hosts import FUNCTIONS, registry_under

LAYER = random_bytes(20 << 20)


def pieces(content: bytes) -> Iterator[bytes]:
    """A body that httpx sends chunked, as docker does."""
    for start in range(0, len(content), 1 << 16):
        yield content[start : start + (1 << 16)]


def push_in_chunks(registry: httpx.Client, content: bytes) -> httpx.Response:
    """POST, PATCH with a chunked body, PUT without one: docker's way."""
    started = registry.post("/v2/team/app/blobs/uploads/")
    assert started.status_code == 202, started.text
    patched = registry.patch(started.headers["location"], content=pieces(content))
    assert patched.status_code == 202, patched.text
    assert patched.headers["range"] == f"0-{len(content) - 1}"
    digest = str(Digest.of(content))
    return registry.put(httpx.URL(patched.headers["location"]).copy_add_param("digest", digest))


def push_at_once(registry: httpx.Client, content: bytes) -> httpx.Response:
    """POST, PUT with the whole body and its length: containerd's way."""
    started = registry.post("/v2/team/app/blobs/uploads/")
    digest = str(Digest.of(content))
    url = httpx.URL(started.headers["location"]).copy_add_param("digest", digest)
    return registry.put(url, content=content)


@pytest.fixture(scope="module")
def pushed(host: RunningHost) -> bytes:
    """An image, pushed as `team/app:1`. Its manifest."""
    manifest = image_manifest(LAYER)
    with httpx.Client(base_url=host.url, timeout=60) as registry:
        assert push_in_chunks(registry, LAYER).status_code == 201
        assert push_at_once(registry, CONFIG).status_code == 201
        headers = {"Content-Type": media_types.OCI_MANIFEST}
        put = registry.put("/v2/team/app/manifests/1", content=manifest, headers=headers)
        assert put.status_code == 201, put.text
        assert put.headers["docker-content-digest"] == str(Digest.of(manifest))
    return manifest


@pytest.mark.parametrize("path", ["/v2/", "/v2"])
def test_the_api_announces_itself(registry: httpx.Client, path: str) -> None:
    answer = registry.get(path)
    assert answer.status_code == 200
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"


def test_the_root_says_what_this_is(registry: httpx.Client) -> None:
    """If the route were not `/`, Functions would show its own page there."""
    answer = registry.get("/")
    assert answer.status_code == 200
    assert "registry" in answer.text


def test_upload_locations_show_the_public_name(registry: httpx.Client) -> None:
    answer = registry.post("/v2/team/app/blobs/uploads/", headers={"Host": "registry.example"})
    assert answer.headers["location"].startswith("http://registry.example/v2/team/app/")


def test_in_azure_urls_have_the_public_name_and_scheme(
    settings: dict[str, str], azurite: Azurite
) -> None:
    """Those of uploads and of the token service. Azure's front ends terminate TLS."""
    in_azure = {
        **settings,
        "REGISTRY_STORAGE_AZURE_CONTAINER": create_container(azurite),
        "WEBSITE_SKU": "FlexConsumption",
        **settings_with_users("builtin"),
    }
    seen = {"Disguised-Host": "registry.example", "X-Forwarded-Proto": "https"}
    with (
        registry_under(FUNCTIONS, in_azure) as host,
        httpx.Client(base_url=host.url, headers=seen, timeout=60) as client,
    ):
        realm = parameters(client.get("/v2/").headers["www-authenticate"])["realm"]
        assert realm == "https://registry.example/auth/token"
        asked = {"service": "registry", "scope": "repository:team/app:pull,push"}
        alice = httpx.BasicAuth(ALICE, password(ALICE))
        token = client.get("/auth/token", params=asked, auth=alice).json()["token"]
        bearer = {"Authorization": f"Bearer {token}"}
        begun = client.post("/v2/team/app/blobs/uploads/", headers=bearer)
        assert begun.status_code == 202, begun.text
        assert begun.headers["location"].startswith("https://registry.example/v2/team/app/")


@pytest.mark.parametrize("escaped", [False, True])
def test_a_manifest_is_pulled_by_tag_and_by_digest(
    registry: httpx.Client, pushed: bytes, *, escaped: bool
) -> None:
    digest = str(Digest.of(pushed))
    for reference in ("1", digest.replace(":", "%3A") if escaped else digest):
        answer = registry.get(f"/v2/team/app/manifests/{reference}")
        assert answer.status_code == 200
        assert answer.content == pushed
        assert answer.headers["content-type"] == media_types.OCI_MANIFEST
        assert answer.headers["docker-content-digest"] == digest


def test_head_has_length_and_digest_and_no_body(registry: httpx.Client, pushed: bytes) -> None:
    for path, content in [
        ("manifests/1", pushed),
        (f"blobs/{Digest.of(LAYER)}", LAYER),
    ]:
        answer = registry.head(f"/v2/team/app/{path}")
        assert answer.status_code == 200
        assert answer.headers["content-length"] == str(len(content))
        assert answer.headers["docker-content-digest"] == str(Digest.of(content))
        assert answer.content == b""


@pytest.mark.usefixtures("pushed")
def test_a_blob_is_pulled_from_where_the_redirect_points_to(registry: httpx.Client) -> None:
    answer = registry.get(f"/v2/team/app/blobs/{Digest.of(LAYER)}")
    assert answer.status_code == 307
    assert httpx.get(answer.headers["location"], timeout=60).content == LAYER


@pytest.mark.usefixtures("pushed")
def test_without_redirects_another_instance_streams_the_blob_and_its_ranges(
    start: Start, settings: dict[str, str]
) -> None:
    streaming = {**settings, "REGISTRY_STORAGE_REDIRECT_DISABLE": "true"}
    blob = f"/v2/team/app/blobs/{Digest.of(LAYER)}"
    with start(PROJECT, streaming) as host, httpx.Client(base_url=host.url, timeout=60) as other:
        whole = other.get(blob)
        assert (whole.status_code, whole.headers["content-length"]) == (200, str(len(LAYER)))
        assert whole.content == LAYER
        part = other.get(blob, headers={"Range": "bytes=1000000-1999999"})
        assert (part.status_code, part.content) == (206, LAYER[1_000_000:2_000_000])


def test_eight_layers_are_pushed_at_once(registry: httpx.Client) -> None:
    layers = [random_bytes(1 << 20, seed) for seed in range(1, 9)]
    with ThreadPoolExecutor(8) as clients:
        answers = clients.map(lambda layer: push_in_chunks(registry, layer), layers)
        assert [answer.status_code for answer in answers] == [201] * 8


@pytest.mark.parametrize(
    "method, path, status, code",
    [
        ("GET", "/v2/team/app/manifests/unknown", 404, "MANIFEST_UNKNOWN"),
        ("GET", f"/v2/team/app/blobs/sha256:{'0' * 64}", 404, "BLOB_UNKNOWN"),
        ("GET", "/v2/team/app/manifests/sha256%2F", 404, None),
        ("GET", "/v2/no/such/endpoint", 404, None),
        ("POST", "/v2/team/app/manifests/1", 405, "UNSUPPORTED"),
        ("OPTIONS", "/v2/team/app/tags/list", 405, "UNSUPPORTED"),
        ("DELETE", "/v2/", 405, "UNSUPPORTED"),
        ("GET", "/v2/team/a%0Ap/tags/list", 404, "NAME_UNKNOWN"),
    ],
)
def test_errors_are_answered_with_the_json_of_the_specification(
    registry: httpx.Client, method: str, path: str, status: int, code: str | None
) -> None:
    answer = registry.request(method, path)
    assert answer.status_code == status
    error = answer.json()["errors"][0]
    assert code is None or error["code"] == code
