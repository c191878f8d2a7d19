"""`REGISTRY_AUTH=builtin` over HTTP: the challenge, the token service, the token."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import bcrypt
import httpx
import jwt
import pytest

from registry_core.auth.sources.personal_keys import PersonalKey
from registry_core.auth.tokens.keys import SigningKey
from registry_core.object_store.memory import MemoryStore
from registry_core.storage.layout import Layout
from registry_core.storage.personal_keys import PersonalKeys
from tests.support.counting import CountingStore
from tests.support.wire import Wire, assert_error
from tests.wire.auth.builtin import ALICE, KEY, SECRET, URL, bearer, connect, push_public, token_for

pytestmark = pytest.mark.anyio


@pytest.fixture
def store() -> CountingStore:
    return CountingStore(MemoryStore())


@pytest.fixture
async def client(store: CountingStore) -> AsyncIterator[httpx.AsyncClient]:
    async with connect(store) as connected:
        yield connected


async def test_the_version_check_names_the_token_service(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/v2/")
    assert_error(answer, 401, "UNAUTHORIZED")
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge == f'Bearer realm="{URL}/auth/token",service="registry"'


async def test_an_image_is_pushed_and_pulled_with_tokens(client: httpx.AsyncClient) -> None:
    wire = Wire(client, "team/app", set)
    refused = await client.post("/v2/team/app/blobs/uploads/")
    asked = re.search(r'scope="([^"]+)"', refused.headers["WWW-Authenticate"])
    assert asked is not None
    client.headers.update(bearer(await token_for(client, asked[1], auth=ALICE)))
    manifest = await wire.push_image("v1", b"layer")
    client.headers.update(bearer(await token_for(client, "repository:team/app:pull", auth=ALICE)))
    assert (await client.get("/v2/team/app/manifests/v1")).content == manifest
    assert_error(await client.post("/v2/team/app/blobs/uploads/"), 401, "UNAUTHORIZED")


async def test_everybody_pulls_public_repositories_with_a_token_and_without(
    client: httpx.AsyncClient,
) -> None:
    """Docker gets a challenge from the version check and requests an anonymous token."""
    await push_public(client)
    path = "/v2/public/app/manifests/v1"
    token = await token_for(client, "repository:public/app:pull")
    assert (await client.get("/v2/", headers=bearer(token))).status_code == 200
    assert (await client.get(path, headers=bearer(token))).status_code == 200
    assert (await client.get(path)).status_code == 200
    for headers in ({}, bearer(token)):
        refused = await client.get("/v2/team/app/manifests/v1", headers=headers)
        assert_error(refused, 401, "UNAUTHORIZED")


async def test_neither_a_token_nor_a_token_request_costs_a_storage_call(
    client: httpx.AsyncClient, store: CountingStore
) -> None:
    token = await token_for(client, "repository:team/app:pull", auth=ALICE)
    assert (await client.get("/v2/", headers=bearer(token))).status_code == 200
    assert store.calls == []


async def test_an_answer_has_the_fields_of_the_specification(client: httpx.AsyncClient) -> None:
    asked: list[tuple[str, str | int | float | bool | None]] = [
        ("service", "registry"),
        ("account", "alice"),
        ("client_id", "docker"),
        ("offline_token", "true"),
        ("scope", "repository:team/app:pull,push,delete"),
        ("scope", "repository:other/app:pull repository:team/b:pull"),
        ("scope", "no scope at all"),
    ]
    answer = await client.get("/auth/token", params=asked, auth=ALICE)
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert body["token"] == body["access_token"]
    assert body["expires_in"] == 300
    assert body["scope"] == "repository:team/app:pull,push repository:team/b:pull"
    issued = datetime.strptime(body["issued_at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs(issued - datetime.now(UTC)) < timedelta(seconds=60)
    assert body["refresh_token"]
    claims = jwt.decode(body["token"], options={"verify_signature": False})
    assert claims["sub"] == "alice"


async def test_the_keys_that_verify_tokens_are_published(client: httpx.AsyncClient) -> None:
    keys = jwt.PyJWKSet.from_dict((await client.get("/auth/jwks")).json())
    token = await token_for(client, auth=ALICE)
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["ES256"], audience="registry")
    assert (claims["iss"], claims["access"]) == ("registry", [])


async def test_oauth2_issues_tokens_for_a_password_and_for_a_refresh_token(
    client: httpx.AsyncClient,
) -> None:
    form = {"service": "registry", "client_id": "docker", "scope": "repository:team/a:pull"}
    password = {"grant_type": "password", "username": "alice", "password": SECRET}
    first = await client.post("/auth/token", data=form | password | {"access_type": "offline"})
    refresh = {"grant_type": "refresh_token", "refresh_token": first.json()["refresh_token"]}
    second = await client.post("/auth/token", data=form | refresh | {"access_type": "offline"})
    for answer in (first, second):
        assert answer.json()["scope"] == "repository:team/a:pull"
        token = answer.json()["access_token"]
        assert (await client.get("/v2/", headers=bearer(token))).status_code == 200
    assert "refresh_token" not in second.json()
    assert "refresh_token" not in (await client.post("/auth/token", data=form | password)).json()


async def test_a_refresh_token_is_not_an_access_token(client: httpx.AsyncClient) -> None:
    parameters = {"offline_token": "true"}
    answer = await client.get("/auth/token", params=parameters, auth=ALICE)
    refused = await client.get("/v2/", headers=bearer(answer.json()["refresh_token"]))
    assert_error(refused, 401, "UNAUTHORIZED")
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]


async def test_an_access_token_is_not_a_refresh_token(client: httpx.AsyncClient) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": await token_for(client, auth=ALICE)}
    assert_error(await client.post("/auth/token", data=form), 401, "UNAUTHORIZED")


async def test_a_refresh_token_is_invalid_after_the_password_changes(
    client: httpx.AsyncClient, store: CountingStore
) -> None:
    answer = await client.get("/auth/token", params={"offline_token": "true"}, auth=ALICE)
    form = {"grant_type": "refresh_token", "refresh_token": answer.json()["refresh_token"]}
    another = bcrypt.hashpw(b"another", bcrypt.gensalt(4)).decode()
    async with connect(store, REGISTRY_AUTH_HTPASSWD_PATH=f"alice:{another}") as changed:
        assert_error(await changed.post("/auth/token", data=form), 401, "UNAUTHORIZED")
    assert (await client.post("/auth/token", data=form)).status_code == 200


async def test_after_a_rotation_tokens_of_the_previous_key_are_still_valid(
    client: httpx.AsyncClient, store: CountingStore
) -> None:
    token = await token_for(client, auth=ALICE)
    new = {"REGISTRY_AUTH_BUILTIN_SIGNINGKEY": SigningKey.generate().pem()}
    old = {"REGISTRY_AUTH_BUILTIN_PREVIOUSKEY": KEY.pem().replace("\n", "\\n")}
    async with connect(store, **new, **old) as rotated, connect(store, **new) as forgotten:
        assert (await rotated.get("/v2/", headers=bearer(token))).status_code == 200
        assert len((await rotated.get("/auth/jwks")).json()["keys"]) == 2
        assert_error(await forgotten.get("/v2/", headers=bearer(token)), 401, "UNAUTHORIZED")


async def make_key(store: CountingStore, **parts: object) -> str:
    now = datetime.now(UTC)
    text, key = PersonalKey.make(
        "laptop",
        "alice",
        created=now,
        expires=now + timedelta(days=1),
        **parts,  # type: ignore[arg-type]
    )
    await PersonalKeys(store, Layout()).add(key)
    store.calls.clear()
    return text


async def test_a_personal_key_is_a_password_until_it_is_revoked(
    client: httpx.AsyncClient, store: CountingStore
) -> None:
    """A login costs one call. Access tokens expire by themselves, refresh tokens end at once."""
    key = await make_key(store)
    parameters = {"offline_token": "true", "scope": "repository:team/a:pull,push"}
    answer = await client.get("/auth/token", params=parameters, auth=("alice", key))
    assert answer.json()["scope"] == "repository:team/a:pull,push"
    assert store.take() == ["get"]
    await PersonalKeys(store, Layout()).revoke("laptop")
    refused = await client.get("/auth/token", auth=("alice", key))
    assert_error(refused, 401, "UNAUTHORIZED")
    form = {"grant_type": "refresh_token", "refresh_token": answer.json()["refresh_token"]}
    assert_error(await client.post("/auth/token", data=form), 401, "UNAUTHORIZED")


async def test_the_catalog_shows_what_the_caller_may_see(client: httpx.AsyncClient) -> None:
    await push_public(client)
    token = await token_for(client, "repository:team/app:pull,push", auth=ALICE)
    client.headers.update(bearer(token))
    await Wire(client, "team/app", set).push_image("v1", b"layer")
    del client.headers["Authorization"]
    shown = {}
    for auth in (ALICE, None):
        token = await token_for(client, "registry:catalog:*", auth=auth)
        answer = await client.get("/v2/_catalog", headers=bearer(token))
        shown[auth] = answer.json()["repositories"]
    assert shown == {ALICE: ["public/app", "team/app"], None: ["public/app"]}


async def test_no_secret_is_logged(
    client: httpx.AsyncClient, store: CountingStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither valid nor invalid ones."""
    caplog.set_level(logging.DEBUG)
    key = await make_key(store)
    answer = await client.get("/auth/token", params={"offline_token": "true"}, auth=ALICE)
    refresh = answer.json()["refresh_token"]
    secrets = [SECRET, key, refresh, answer.json()["token"], "a wrong password"]
    form = {"grant_type": "refresh_token", "refresh_token": refresh[:-1]}
    await client.post("/auth/token", data=form)
    await client.post("/auth/token", data=form | {"refresh_token": refresh})
    for secret in (key, key[:-1], "a wrong password"):
        await client.get("/auth/token", auth=("alice", secret))
        await client.get("/v2/", auth=("alice", secret))
        await client.get("/v2/", headers=bearer(secret))
    assert caplog.records
    assert [secret for secret in secrets if secret[:20] in caplog.text] == []
