"""Refusals of the token service: wrong credentials, bad requests, unknown endpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from registry_core.object_store.memory import MemoryStore
from tests.support.counting import CountingStore
from tests.support.wire import assert_error
from tests.wire.auth.builtin import ALICE, SECRET, connect

pytestmark = pytest.mark.anyio


@pytest.fixture
def store() -> CountingStore:
    return CountingStore(MemoryStore())


@pytest.fixture
async def client(store: CountingStore) -> AsyncIterator[httpx.AsyncClient]:
    async with connect(store) as connected:
        yield connected


@pytest.mark.parametrize(
    "authorization", ["Basic", "Basic !", "Basic YWxpY2U=", "Bearer x", "Basic YWxpY2U6eA=="]
)
async def test_wrong_credentials_are_refused_as_clients_expect(
    client: httpx.AsyncClient, authorization: str
) -> None:
    """They get the error of the specification, and never an anonymous token."""
    answer = await client.get("/auth/token", headers={"Authorization": authorization})
    assert_error(answer, 401, "UNAUTHORIZED")
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="registry"'
    assert answer.headers["Cache-Control"] == "no-store"


async def test_two_authorization_headers_are_refused_as_elsewhere(
    client: httpx.AsyncClient,
) -> None:
    """Proxies and servers differ in which one they read."""
    right = httpx.BasicAuth(*ALICE)._auth_header
    for others in (("Basic YWxpY2U6eA==",), (right,), ("",)):
        for values in ((right, *others), (*others, right)):
            headers = [("Authorization", value) for value in values]
            answer = await client.get("/auth/token", headers=headers)
            assert_error(answer, 401, "UNAUTHORIZED")
    answer = await client.get("/auth/token", headers=[("Authorization", right)])
    assert answer.status_code == 200


async def test_a_field_of_a_form_that_is_there_twice_is_a_bad_request(
    client: httpx.AsyncClient,
) -> None:
    """RFC 6749, section 3.2; only Docker's ``scope`` may come several times."""
    form = {"grant_type": "password", "username": "alice", "password": SECRET}
    for name, value in form.items():
        twice = {**form, name: [value, "other"]}
        answer = await client.post("/auth/token", data=twice)
        assert repr(name) in assert_error(answer, 400, "UNSUPPORTED")
    for path in ("/oauth2/exchange", "/oauth2/token"):
        answer = await client.post(path, data={"access_token": ["a", "b"]})
        assert_error(answer, 400, "UNSUPPORTED")
    scopes = {"scope": ["repository:team/a:pull", "repository:team/b:pull"]}
    answer = await client.post("/auth/token", data={**form, **scopes})
    assert len(answer.json()["scope"].split()) == 2


async def test_a_refused_token_does_not_say_what_would_have_been_accepted(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The log does."""
    caplog.set_level("INFO")
    form = {"grant_type": "refresh_token", "refresh_token": "eyJhbGciOiJub25lIn0.e30.eHg"}
    answer = await client.post("/auth/token", data=form)
    assert assert_error(answer, 401, "UNAUTHORIZED") == "the credentials are not valid"
    assert "the token's signature algorithm is not accepted" in caplog.text


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"grant_type": "client_credentials"},
        {"grant_type": "password", "username": "alice", "password": SECRET, "service": "other"},
    ],
)
async def test_an_unsupported_grant_type_is_a_bad_request(
    client: httpx.AsyncClient, form: dict[str, str]
) -> None:
    assert_error(await client.post("/auth/token", data=form or {"a": "b"}), 400, "UNSUPPORTED")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_token_request_has_a_hundred_scopes_at_most(
    client: httpx.AsyncClient, method: str
) -> None:
    """In one parameter or in many. Without credentials, thousands made an answer of 462 KiB."""
    scopes = [f"repository:public/a{number}:pull" for number in range(101)]
    form = {"grant_type": "password", "username": "", "password": ""}

    async def request(*scopes: str) -> httpx.Response:
        if method == "GET":
            return await client.get("/auth/token", params={"scope": scopes})
        return await client.post("/auth/token", data=form | {"scope": scopes})

    for many in (scopes, [" ".join(scopes)], [*scopes[:60], " ".join(scopes[60:])]):
        assert "100 at most" in assert_error(await request(*many), 400, "UNSUPPORTED")
    answer = await request(*scopes[:100])
    assert answer.status_code == 200
    assert answer.json()["scope"] == " ".join(scopes[:100])
    assert len(answer.json()["token"]) < 16 * 2**10


async def test_another_service_is_a_bad_request(client: httpx.AsyncClient) -> None:
    """But clients may name the registry by its host, too."""
    answer = await client.get("/auth/token", params={"service": "other"})
    assert "'registry'" in assert_error(answer, 400, "UNSUPPORTED")
    answer = await client.get("/auth/token", params={"service": "registry.test"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "content, media_type, status",
    [
        (b"{}", "application/json", 415),
        (b"a=" + b"b" * 70_000, "application/x-www-form-urlencoded", 413),
        (b"grant_type=password&a=%ff", "application/x-www-form-urlencoded", 400),
        (b"grant_type=password&a=\xff", "application/x-www-form-urlencoded", 400),
        (b"&".join([b"a=b"] * 1000), "application/x-www-form-urlencoded", 400),
    ],
)
async def test_only_a_small_form_is_accepted(
    client: httpx.AsyncClient, content: bytes, media_type: str, status: int
) -> None:
    headers = {"Content-Type": media_type}
    answer = await client.post("/auth/token", content=content, headers=headers)
    assert_error(answer, status, "UNSUPPORTED")


@pytest.mark.parametrize(
    "method, path, status, code",
    [
        ("PUT", "/auth/token", 405, "UNSUPPORTED"),
        ("HEAD", "/auth/token", 405, ""),
        ("POST", "/auth/jwks", 405, "UNSUPPORTED"),
        ("GET", "/oauth2/exchange", 405, "UNSUPPORTED"),
        ("GET", "/auth/", 404, "NAME_UNKNOWN"),
        ("GET", "/auth/other", 404, "NAME_UNKNOWN"),
        ("GET", "/oauth2/other", 404, "NAME_UNKNOWN"),
    ],
)
async def test_unknown_endpoints_are_refused_as_elsewhere(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == status
    if code:
        assert_error(answer, status, code)
    assert ("Allow" in answer.headers) is (status == 405)


async def test_a_registry_without_a_token_service_says_so(
    store: CountingStore,
) -> None:
    async with connect(store, REGISTRY_AUTH="none") as client:
        for path in ("/auth/token", "/auth/jwks", "/oauth2/token"):
            assert_error(await client.get(path), 404, "NAME_UNKNOWN")
