"""Signing in to storage: late, bounded in time, told in one line, and again when a token ends."""

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
from registry_core.object_store.azure.identity import LazyCredential, make_credential
from registry_core.object_store.interface import StoreUnavailable
from tests.contracts.object_store import CONTENT
from tests.support.azurite import create_container, signed_in
from tests.support.clock import Clock
from tests.support.eventually import eventually
from tests.support.host import PROJECT
from tests.support.managed_identity import RESOURCE, IdentityEndpoint
from tests.support.refusing_storage import TOKEN_REFUSED, Refusal, RefusingStorage
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


def test_what_needs_no_storage_is_answered_before_azure_identity_is_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_STORAGE],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


async def test_it_is_imported_and_made_beside_the_event_loop(endpoint: IdentityEndpoint) -> None:
    threads: list[threading.Thread] = []

    def make(identity: AzureIdentity) -> AsyncSupportsTokenInfo:
        threads.append(threading.current_thread())
        return make_credential(identity)

    credential = LazyCredential(AzureIdentity(), seconds=30, make=make)
    token = await credential.get_token_info("whatever")
    assert (await credential.get_token("whatever")).token == token.token
    await credential.close()
    assert threads
    assert threading.main_thread() not in threads
    assert [asked.resource for asked in endpoint.asked] == [RESOURCE]


@pytest.mark.parametrize("by", ["setting", "AZURE_CLIENT_ID"])
async def test_a_client_id_chooses_among_several_identities(
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
    assert [asked.client_id for asked in endpoint.asked] == [CLIENT_ID]


async def test_many_at_once_ask_for_one_token(
    endpoint: IdentityEndpoint, secure_azurite: SecureAzurite, container: str
) -> None:
    async with signed_in(secure_azurite, container) as store:
        await asyncio.gather(*(store.put(f"{number}", CONTENT) for number in range(20)))
    assert len(endpoint.asked) == 1


async def test_an_endpoint_that_says_nothing_is_given_up_for_all_who_wait(
    endpoint: IdentityEndpoint, secure_azurite: SecureAzurite, container: str
) -> None:
    endpoint.answering.clear()
    async with signed_in(secure_azurite, container, limits=Limits(sign_in=0.5)) as store:
        puts = [store.put("a", CONTENT) for _ in range(20)]
        async with asyncio.timeout(20):
            results = await asyncio.gather(*puts, return_exceptions=True)
    assert {type(result) for result in results} <= set(StoreUnavailable.__subclasses__())
    assert {str(result) for result in results} == {
        "no token for the app's own identity (AZURE_CLIENT_ID would name another) in 0.5 s"
    }
    assert len(endpoint.asked) <= 1


async def test_an_identity_that_there_is_not_is_told_in_one_line_of_the_log(
    endpoint: IdentityEndpoint,
    secure_azurite: SecureAzurite,
    container: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    endpoint.refusal = (400, "No User Assigned AzureIdentity found")
    identity = AzureIdentity(CLIENT_ID, setting="THE_SETTING")
    async with signed_in(secure_azurite, container, identity=identity) as store:
        with pytest.raises(StoreUnavailable, match=f"no token for .* {CLIENT_ID}: assign"):
            await store.head("a")
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "No User Assigned AzureIdentity found" in record.getMessage()
    assert "\n" not in record.getMessage()
    assert endpoint.header not in caplog.text


async def test_without_any_identity_that_is_told_soon(
    secure_azurite: SecureAzurite, container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    async with signed_in(secure_azurite, container) as store:
        with pytest.raises(StoreUnavailable, match="assign an identity to the app"):
            await store.head("a")


async def test_a_token_is_fetched_again_when_it_ends_and_no_call_fails(
    endpoint: IdentityEndpoint, secure_azurite: SecureAzurite, container: str
) -> None:
    endpoint.lifetime = 1
    async with signed_in(secure_azurite, container) as store, asyncio.timeout(60):
        while len(endpoint.given) < 3:
            await store.put("a", CONTENT)
    assert len(set(endpoint.given)) == len(endpoint.given)


async def test_a_token_is_renewed_early_and_nobody_waits_or_fails_for_it(
    endpoint: IdentityEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    endpoint.refresh_in = 0
    credential = LazyCredential(AzureIdentity(), seconds=30, clock=clock)
    old = await credential.get_token_info()

    async def was_told() -> bool:
        return "could not refresh the token for storage" in caplog.text

    async def is_new() -> bool:
        return await credential.get_token_info() != old

    endpoint.refusal = (400, "not now")
    clock.pass_by(43200)
    assert not await is_new()
    await eventually(was_told)
    assert not await is_new()
    endpoint.refusal = None
    clock.pass_by(60)
    await eventually(is_new)
    await credential.close()
    assert len(endpoint.given) == 2


async def test_a_token_that_storage_refuses_is_fetched_anew(
    endpoint: IdentityEndpoint, secure_azurite: SecureAzurite, container: str
) -> None:
    """As when it was revoked, or a clock is wrong; azure-identity would give it again."""
    clock = Clock()

    def refuse_the_first(request: web.BaseRequest) -> Refusal | None:
        sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return TOKEN_REFUSED if sent == endpoint.given[0] else None

    with RefusingStorage(secure_azurite) as storage:
        async with signed_in(
            secure_azurite, container, service_url=storage.service_url, clock=clock
        ) as store:
            await store.put("a", CONTENT)
            clock.pass_by(60)
            storage.refuse = refuse_the_first
            await asyncio.gather(*(store.put("a", CONTENT) for _ in range(10)))
    assert len(endpoint.given) == 2


def test_no_token_is_sent_without_tls() -> None:
    with pytest.raises(ValueError, match="HTTPS"):
        AzureBlobStore.from_identity("http://127.0.0.1:10000/account", "registry")


def test_a_secret_is_in_no_representation() -> None:
    identity = AzureIdentity(CLIENT_ID, "tenant", "the secret")
    assert "the secret" not in repr(identity) + str(identity)
