"""Signing in to storage: on first use, within a time limit, and again when a token expires."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from aiohttp import web
from azure.core.credentials_async import AsyncSupportsTokenInfo

from registry_core.object_store.azure import AzureBlobStore, AzureIdentity, Limits
from registry_core.object_store.azure.identity import BearerToken, make_credential
from registry_core.object_store.azure.managed_identity import ManagedIdentity
from registry_core.object_store.errors import StoreUnavailable
from tests.contracts.object_store import CONTENT
from tests.support.azurite import create_container, signed_in
from tests.support.clock import Clock
from tests.support.denying_storage import TOKEN_DENIED, Denial, DenyingStorage
from tests.support.eventually import eventually
from tests.support.host import PROJECT
from tests.support.managed_identity import RESOURCE, IdentityEndpoint
from tests.support.secure_azurite import SecureAzurite

pytestmark = pytest.mark.anyio

CLIENT_ID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[IdentityEndpoint]:
    with IdentityEndpoint() as endpoint:
        for name, value in endpoint.environment.items():
            monkeypatch.setenv(name, value)
        yield endpoint


@pytest.fixture
def container(secure_azurite: SecureAzurite) -> str:
    return create_container(secure_azurite)


WITHOUT_STORAGE = """
import asyncio, sys
import httpx
from registry_core.config import AzureStorage, Settings
from registry_core.app import build_application, build_registry, build_store

async def main():
    storage = AzureStorage("registry", "https://account.blob.core.windows.net", "account")
    settings, store = Settings(storage, "x" * 16), build_store(storage)
    application = build_application(settings, build_registry(settings, store))
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://registry.test") as client:
        assert (await client.get("/v2/")).status_code == 200
    await store.close()

asyncio.run(main())
print([name for name in sys.modules if name.startswith(("azure.identity", "msal"))])
"""


def test_a_request_without_storage_does_not_import_azure_identity() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_STORAGE],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


async def test_azure_identity_is_imported_in_a_thread(endpoint: IdentityEndpoint) -> None:
    threads: list[threading.Thread] = []

    def make(identity: AzureIdentity) -> AsyncSupportsTokenInfo | ManagedIdentity:
        threads.append(threading.current_thread())
        return make_credential(identity)

    token = BearerToken(AzureIdentity(), seconds=30, make=make)
    header = await token.authorize("GET", "/", {}, {})
    assert header == f"Bearer {endpoint.tokens[0]}"
    await token.close()
    assert threads
    assert threading.main_thread() not in threads
    assert [request.resource for request in endpoint.requests] == [RESOURCE]


@pytest.mark.parametrize("by", ["setting", "AZURE_CLIENT_ID"])
async def test_a_client_id_selects_one_of_several_identities(
    endpoint: IdentityEndpoint,
    secure_azurite: SecureAzurite,
    container: str,
    monkeypatch: pytest.MonkeyPatch,
    by: str,
) -> None:
    if by == "AZURE_CLIENT_ID":
        monkeypatch.setenv(by, CLIENT_ID)
    identity = AzureIdentity(CLIENT_ID if by == "setting" else None)
    async with signed_in(secure_azurite, container, identity=identity) as store:
        await store.put("a", CONTENT)
    assert [request.client_id for request in endpoint.requests] == [CLIENT_ID]


async def test_concurrent_calls_request_one_token(
    endpoint: IdentityEndpoint, secure_azurite: SecureAzurite, container: str
) -> None:
    async with signed_in(secure_azurite, container) as store:
        await asyncio.gather(*(store.put(f"{number}", CONTENT) for number in range(20)))
    assert len(endpoint.requests) == 1


async def test_a_silent_identity_endpoint_fails_all_waiting_calls_in_time(
    endpoint: IdentityEndpoint, secure_azurite: SecureAzurite, container: str
) -> None:
    endpoint.answering.clear()
    async with signed_in(secure_azurite, container, limits=Limits(sign_in=0.5)) as store:
        puts = [store.put("a", CONTENT) for _ in range(20)]
        async with asyncio.timeout(20):
            results = await asyncio.gather(*puts, return_exceptions=True)
    assert {type(result) for result in results} <= set(StoreUnavailable.__subclasses__())
    assert {str(result) for result in results} == {
        "no token for the app's own identity (AZURE_CLIENT_ID would select another) in 0.5 s"
    }
    assert len(endpoint.requests) <= 1


async def test_a_missing_identity_is_one_line_of_the_log(
    endpoint: IdentityEndpoint,
    secure_azurite: SecureAzurite,
    container: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    endpoint.error = (400, "No User Assigned Identity found")
    identity = AzureIdentity(CLIENT_ID, setting="THE_SETTING")
    async with signed_in(secure_azurite, container, identity=identity) as store:
        with pytest.raises(StoreUnavailable, match=f"no token for .* {CLIENT_ID}: assign"):
            await store.head("a")
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "No User Assigned Identity found" in record.getMessage()
    assert "\n" not in record.getMessage()
    assert endpoint.header not in caplog.text


async def test_without_any_identity_calls_fail_soon(
    secure_azurite: SecureAzurite, container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    async with signed_in(secure_azurite, container) as store:
        with pytest.raises(StoreUnavailable, match="assign an identity to the app"):
            await store.head("a")


async def test_an_expired_token_is_replaced_and_no_call_fails(
    endpoint: IdentityEndpoint, secure_azurite: SecureAzurite, container: str
) -> None:
    endpoint.lifetime = 1
    async with signed_in(secure_azurite, container) as store, asyncio.timeout(60):
        while len(endpoint.tokens) < 3:
            await store.put("a", CONTENT)
    assert len(set(endpoint.tokens)) == len(endpoint.tokens)


async def test_a_token_is_refreshed_early_in_the_background(
    endpoint: IdentityEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    endpoint.refresh_in = 0
    token = BearerToken(AzureIdentity(), seconds=30, clock=clock)
    old = await token.authorize("GET", "/", {}, {})

    async def is_logged() -> bool:
        return "could not refresh the token for storage" in caplog.text

    async def is_new() -> bool:
        return await token.authorize("GET", "/", {}, {}) != old

    endpoint.error = (400, "not now")
    clock.pass_by(43200)
    assert not await is_new()
    await eventually(is_logged)
    assert not await is_new()
    endpoint.error = None
    clock.pass_by(60)
    await eventually(is_new)
    await token.close()
    assert len(endpoint.tokens) == 2


async def test_a_token_that_storage_rejects_is_replaced(
    endpoint: IdentityEndpoint, secure_azurite: SecureAzurite, container: str
) -> None:
    """As when it was revoked, or a clock is wrong; azure-identity would return it again."""
    clock = Clock()

    def deny_the_first(request: web.BaseRequest) -> Denial | None:
        sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return TOKEN_DENIED if sent == endpoint.tokens[0] else None

    with DenyingStorage(secure_azurite) as storage:
        async with signed_in(
            secure_azurite, container, service_url=storage.service_url, clock=clock
        ) as store:
            await store.put("a", CONTENT)
            clock.pass_by(60)
            storage.deny = deny_the_first
            await asyncio.gather(*(store.put("a", CONTENT) for _ in range(10)))
    assert len(endpoint.tokens) == 2


def test_no_token_is_sent_without_tls() -> None:
    with pytest.raises(ValueError, match="HTTPS"):
        AzureBlobStore.from_identity("http://127.0.0.1:10000/account", "registry")


def test_a_secret_is_not_part_of_any_representation() -> None:
    identity = AzureIdentity(CLIENT_ID, "tenant", "the secret")
    assert "the secret" not in repr(identity) + str(identity)
