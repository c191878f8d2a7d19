"""Browsers: WHATWG Fetch, "CORS protocol", and ``X-Content-Type-Options``."""

from collections.abc import AsyncIterator

import httpx
import pytest

from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from tests.support.content import random_bytes
from tests.support.counting import CountingStore
from tests.support.wire import Wire, assert_error

from .auth.builtin import ALICE, connect
from .conftest import PAGE

pytestmark = pytest.mark.anyio

OTHER = "https://evil.example"
ANY_ORIGIN = {"REGISTRY_HTTP_CORS_ORIGINS": "*"}
LARGE = random_bytes(2**17)
ABSENT = Digest.of(b"absent")

# Headers that scripts may read of every answer: "CORS-safelisted response-header name". Others are
# the server's, and of no use to scripts.
ALWAYS_READABLE = {"cache-control", "content-length", "content-type", "date", "server"}
OF_CORS = ("access-control-", "vary", "x-content-type-options")


def preflight(method: str, *headers: str, origin: str = PAGE) -> dict[str, str]:
    """Return what a browser sends before a request of a page."""
    sent = {"Origin": origin, "Access-Control-Request-Method": method}
    return sent | ({"Access-Control-Request-Headers": ",".join(headers)} if headers else {})


def listed(answer: httpx.Response, name: str) -> set[str]:
    return {item.strip().lower() for item in answer.headers[name].split(",")}


@pytest.mark.every_host
async def test_a_preflight_of_a_listed_page_permits_what_the_api_needs(wire: Wire) -> None:
    for path in ("/v2/", f"{wire.base}/manifests/v1", f"{wire.base}/blobs/uploads/", "/auth/token"):
        answer = await wire.client.options(path, headers=preflight("PUT", "authorization"))
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert answer.headers["Vary"] == "Origin"
        assert int(answer.headers["Access-Control-Max-Age"]) > 0
        methods = listed(answer, "Access-Control-Allow-Methods")
        assert {"get", "head", "post", "put", "patch", "delete"} <= methods
        headers = listed(answer, "Access-Control-Allow-Headers")
        assert {"authorization", "accept", "content-type", "range", "content-range"} <= headers
        assert {"if-match", "if-none-match", "cache-control"} <= headers


@pytest.mark.every_host
async def test_a_listed_page_may_read_every_answer(wire: Wire) -> None:
    """Errors and redirects included."""
    manifest = await wire.push_image("v1", LARGE)
    for method, path, status in (
        ("GET", "/v2/", {200}),
        ("GET", "/", {200}),
        ("GET", f"{wire.base}/manifests/v1", {200}),
        ("HEAD", f"{wire.base}/manifests/{Digest.of(manifest)}", {200}),
        ("GET", f"{wire.base}/blobs/{Digest.of(LARGE)}", {200, 307}),
        ("GET", f"{wire.base}/blobs/{ABSENT}", {404}),
        ("GET", f"{wire.base}/tags/list?n=x", {400}),
        ("POST", f"{wire.base}/blobs/uploads/", {202}),
        ("GET", "/v2/_x", {404}),
        ("POST", "/v2/", {405}),
        ("OPTIONS", "/v2/", {405}),
        ("GET", "/auth/token", {404}),
    ):
        answer = await wire.client.request(method, path, headers={"Origin": PAGE})
        assert answer.status_code in status
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE, path
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert answer.headers["Vary"] == "Origin"


@pytest.mark.every_host
async def test_other_pages_may_read_nothing_and_get_no_preflight(wire: Wire) -> None:
    """Caches learn that the answer depends on the origin."""
    for origin in (OTHER, "null", f"{PAGE}.evil.example", f"{PAGE}:8080", "http://ui.example.com"):
        answer = await wire.client.get("/v2/", headers={"Origin": origin})
        refused = await wire.client.options("/v2/", headers=preflight("GET", origin=origin))
        assert (answer.status_code, refused.status_code) == (200, 405)
        for each in (answer, refused):
            assert not [name for name in each.headers if name.startswith("access-control-")]
            assert each.headers["Vary"] == "Origin"
    answer = await wire.client.get("/v2/")
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["Vary"] == "Origin"


async def test_a_page_may_read_every_header_that_the_api_sends(wire: Wire) -> None:
    manifest = await wire.push_image("v1", LARGE)
    await wire.push_image("v2", LARGE)
    digest = Digest.of(manifest)
    location = await wire.start()
    sent: set[str] = set()
    for method, path, content, headers in (
        ("GET", "/v2/", b"", {}),
        ("GET", f"{wire.base}/manifests/v1", b"", {}),
        ("GET", f"{wire.base}/blobs/{Digest.of(LARGE)}", b"", {"Range": "bytes=1-2"}),
        ("GET", f"{wire.base}/tags/list?n=1", b"", {}),
        ("GET", f"{wire.base}/referrers/{digest}?artifactType=a%2Fb", b"", {}),
        ("POST", f"{wire.base}/blobs/uploads/", b"", {}),
        ("PATCH", location, b"chunk", {}),
        ("PUT", f"{wire.base}/manifests/{digest}?tag=v3", manifest, {}),
        ("BREW", "/v2/", b"", {}),
    ):
        answer = await wire.client.request(
            method, path, content=content, headers={"Origin": PAGE} | headers
        )
        exposed = listed(answer, "Access-Control-Expose-Headers")
        names = {name for name in answer.headers if not name.startswith(OF_CORS)}
        assert names <= exposed | ALWAYS_READABLE
        sent |= names
    known_elsewhere = {"oci-chunk-max-length", "oci-subject", "retry-after", "www-authenticate"}
    assert exposed == (sent - ALWAYS_READABLE) | known_elsewhere


@pytest.fixture
async def guarded() -> AsyncIterator[httpx.AsyncClient]:
    """A client of a registry that requires a login, and that pages of any origin may use."""
    async with connect(CountingStore(MemoryStore()), **ANY_ORIGIN) as client:
        yield client


async def test_a_preflight_needs_no_login_and_no_storage() -> None:
    store = CountingStore(MemoryStore())
    async with connect(
        store, REGISTRY_HTTP_CORS_ORIGINS=f"{PAGE}, http://localhost:8080"
    ) as client:
        for path in ("/v2/", "/v2/team/app/manifests/v1", "/v2/_catalog", "/auth/token", "/v2/%00"):
            for origin in (PAGE, "http://localhost:8080"):
                headers = preflight("DELETE", "authorization", origin=origin)
                answer = await client.options(path, headers=headers)
                assert answer.status_code == 204
                assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert store.take() == []


async def test_a_page_can_log_in_and_use_its_token(guarded: httpx.AsyncClient) -> None:
    """The challenge, the token service and its refusals can be read as well."""
    origin = {"Origin": PAGE}
    challenged = await guarded.get("/v2/", headers=origin)
    assert_error(challenged, 401, "UNAUTHORIZED")
    refused = await guarded.get("/auth/token", headers=origin, auth=("alice", "wrong"))
    assert_error(refused, 401, "UNAUTHORIZED")
    for answer in (challenged, refused):
        assert answer.headers["WWW-Authenticate"]
        assert "www-authenticate" in listed(answer, "Access-Control-Expose-Headers")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    granted = await guarded.get("/auth/token", headers=origin, auth=ALICE)
    bearer = origin | {"Authorization": f"Bearer {granted.json()['token']}"}
    answer = await guarded.get("/v2/", headers=bearer)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")


async def test_pages_of_any_origin_may_not_send_the_browsers_own_credentials(
    guarded: httpx.AsyncClient,
) -> None:
    """Else every page on the web could act as the user. The answer is the same for all origins."""
    for origin in ({"Origin": PAGE}, {"Origin": "null"}, {}):
        for answer in (
            await guarded.get("/v2/", headers=origin),
            await guarded.options("/v2/", headers=preflight("GET", "authorization") | origin),
        ):
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert "Access-Control-Allow-Credentials" not in answer.headers
            assert "Vary" not in answer.headers


async def test_without_the_setting_no_answer_mentions_cors() -> None:
    async with connect(CountingStore(MemoryStore())) as client:
        for answer in (
            await client.get("/v2/", headers={"Origin": PAGE}),
            await client.options("/v2/", headers=preflight("GET")),
            await client.options("/auth/token", headers=preflight("GET")),
        ):
            assert answer.status_code in (401, 405)
            assert not [name for name in answer.headers if name.startswith("access-control-")]
            assert "Vary" not in answer.headers


@pytest.mark.every_host
async def test_browsers_never_guess_the_type_of_an_answer(wire: Wire) -> None:
    """A blob that looks like a page is not shown as one."""
    page = await wire.push_blob(b"<html><script>alert(1)</script></html>")
    for method, path in (
        ("GET", f"{wire.base}/blobs/{page}"),
        ("GET", f"{wire.base}/blobs/{ABSENT}"),
        ("HEAD", "/v2/"),
        ("GET", "/"),
        ("POST", f"{wire.base}/blobs/uploads/"),
        ("OPTIONS", "/v2/"),
        ("GET", "/auth/token"),
    ):
        answer = await wire.client.request(method, path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
