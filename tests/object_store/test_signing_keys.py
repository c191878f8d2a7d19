"""Signed URLs without an account key: user delegation keys are kept, refreshed and replaced.

Azurite checks their signatures when a client follows a URL and when a block is copied.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from aiohttp import web

from registry_core.object_store.azure import AzureBlobStore, Limits
from registry_core.object_store.errors import StoreUnavailable
from tests.contracts.object_store import CONTENT, content_of, make_block_id
from tests.support.azurite import create_container, signed_in
from tests.support.clock import Clock
from tests.support.denying_storage import (
    ROLE_MISSING,
    SIGNATURE_DENIED,
    SOURCE_DENIED,
    Denial,
    DenyingStorage,
    is_copy,
    requests_key,
)
from tests.support.eventually import eventually
from tests.support.managed_identity import IdentityEndpoint
from tests.support.secure_azurite import SecureAzurite

pytestmark = pytest.mark.anyio

HOUR = 3600
DAY = 24 * HOUR
LIMITS = Limits(first_delay=0.01, copy_whole=4, copy_piece=4)


@pytest.fixture
def storage(
    secure_azurite: SecureAzurite,
    shared_identity: IdentityEndpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[DenyingStorage]:
    for name, value in shared_identity.environment.items():
        monkeypatch.setenv(name, value)
    with DenyingStorage(secure_azurite) as storage:
        yield storage


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def calls() -> list[str]:
    """The operations of all requests sent by the store."""
    return []


@pytest.fixture
async def store(
    secure_azurite: SecureAzurite, storage: DenyingStorage, clock: Clock, calls: list[str]
) -> AsyncIterator[AzureBlobStore]:
    container = create_container(secure_azurite)
    async with signed_in(
        secure_azurite,
        container,
        service_url=storage.service_url,
        limits=LIMITS,
        clock=clock,
        on_call=lambda _, operation: calls.append(operation),
    ) as store:
        await store.put("a", CONTENT)
        calls.clear()
        yield store


def parameters(url: str) -> dict[str, str]:
    """Return the parameters of a signed URL."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def seconds_until(url: str, end: str, clock: Clock) -> float:
    """Return the seconds from now to the time of a parameter."""
    return datetime.fromisoformat(parameters(url)[end]).timestamp() - clock()


@asynccontextmanager
async def followed(azurite: SecureAzurite, url: str) -> AsyncIterator[httpx.Response]:
    """Return the response to a GET of a signed URL."""
    async with httpx.AsyncClient(verify=azurite.trust.client_context()) as client:
        yield await client.get(url)


async def test_a_url_signed_with_a_delegation_key_permits_reading_one_object(
    store: AzureBlobStore, secure_azurite: SecureAzurite
) -> None:
    await store.put("other", CONTENT)
    url = await store.signed_url("a", seconds=60)
    assert parameters(url)["skoid"]
    assert parameters(url)["sp"] == "r"
    assert parameters(url)["spr"] == "https"
    async with followed(secure_azurite, url) as answer:
        assert answer.content == CONTENT
    async with followed(secure_azurite, url.replace("/a?", "/other?")) as answer:
        assert answer.status_code == 403


async def test_concurrent_calls_request_one_key(store: AzureBlobStore, calls: list[str]) -> None:
    urls = await asyncio.gather(*(store.signed_url("a", seconds=60) for _ in range(20)))
    assert len(urls) == 20
    assert calls == ["user_delegation_key"]


async def test_a_key_is_refreshed_in_the_background_after_a_day(
    store: AzureBlobStore, calls: list[str], clock: Clock
) -> None:
    first = parameters(await store.signed_url("a", seconds=60))["skt"]
    clock.pass_by(DAY - 1)
    assert parameters(await store.signed_url("a", seconds=60))["skt"] == first
    assert calls == ["user_delegation_key"]
    clock.pass_by(1)
    assert parameters(await store.signed_url("a", seconds=60))["skt"] == first

    async def is_new() -> bool:
        return parameters(await store.signed_url("a", seconds=60))["skt"] > first

    await eventually(is_new)
    assert calls == ["user_delegation_key"] * 2


async def test_a_key_that_cannot_be_refreshed_is_used_until_its_last_hour(
    store: AzureBlobStore,
    storage: DenyingStorage,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = parameters(await store.signed_url("a", seconds=60))["skt"]
    storage.deny = lambda request: ROLE_MISSING if requests_key(request) else None

    days = 0

    async def is_logged() -> bool:
        return caplog.text.count("could not refresh the signing key") == days

    while days < 4:
        days += 1
        clock.pass_by(DAY)
        assert parameters(await store.signed_url("a", seconds=60))["skt"] == first
        await eventually(is_logged)
    clock.pass_by(2 * DAY - HOUR)
    with pytest.raises(StoreUnavailable, match="Storage Blob Delegator"):
        await store.signed_url("a", seconds=60)


async def test_a_url_expires_with_its_key_at_the_latest(
    store: AzureBlobStore, clock: Clock
) -> None:
    url = await store.signed_url("a", seconds=600)
    assert "st" not in parameters(url)
    assert seconds_until(url, "se", clock) == pytest.approx(600, abs=1)
    assert seconds_until(url, "skt", clock) == pytest.approx(-15 * 60, abs=1)
    clock.pass_by(6 * DAY - HOUR - 60)
    url = await store.signed_url("a", seconds=2 * HOUR)
    assert parameters(url)["se"] == parameters(url)["ske"]
    assert seconds_until(url, "ske", clock) == pytest.approx(HOUR + 60, abs=1)


COPIES: dict[str, Callable[[AzureBlobStore], Awaitable[object]]] = {
    "copy": lambda s: s.copy("b", "a", size=1, metadata={"a": "b"}),
    "stage_from": lambda s: s.stage_from("b", make_block_id("1"), "a"),
}


@pytest.mark.parametrize("denial", [SIGNATURE_DENIED, SOURCE_DENIED])
@pytest.mark.parametrize("operation", COPIES)
async def test_a_copy_whose_signature_is_denied_is_repeated_with_a_new_key(
    store: AzureBlobStore,
    storage: DenyingStorage,
    calls: list[str],
    operation: str,
    denial: Denial,
) -> None:
    await store.signed_url("a", seconds=60)

    def deny_once(request: web.BaseRequest) -> Denial | None:
        return denial if is_copy(request) and not storage.denied else None

    storage.deny = deny_once
    await COPIES[operation](store)
    assert calls == ["user_delegation_key", operation, "user_delegation_key", operation]
    if operation == "copy":
        assert await content_of(store, "b") == CONTENT


async def test_a_copy_is_repeated_with_a_new_key_only_once(
    store: AzureBlobStore, storage: DenyingStorage, calls: list[str]
) -> None:
    storage.deny = lambda request: SIGNATURE_DENIED if is_copy(request) else None
    with pytest.raises(StoreUnavailable, match="stage_from b: 403 AuthenticationFailed"):
        await COPIES["stage_from"](store)
    assert calls == ["user_delegation_key", "stage_from"] * 2


async def test_a_missing_role_does_not_cause_a_new_key(
    store: AzureBlobStore, storage: DenyingStorage, calls: list[str]
) -> None:
    storage.deny = lambda request: ROLE_MISSING if is_copy(request) else None
    with pytest.raises(StoreUnavailable, match="Storage Blob Data Contributor"):
        await COPIES["copy"](store)
    assert calls == ["user_delegation_key", "copy"]


async def test_pieces_denied_together_need_one_new_key(
    store: AzureBlobStore, storage: DenyingStorage, calls: list[str], clock: Clock
) -> None:
    first = parameters(await store.signed_url("a", seconds=60))["skt"]
    clock.pass_by(10)

    def deny_the_first_key(request: web.BaseRequest) -> Denial | None:
        source = request.headers.get("x-ms-copy-source", "")
        return SOURCE_DENIED if source and parameters(source)["skt"] == first else None

    storage.deny = deny_the_first_key
    await store.copy("b", "a", size=10, metadata={"a": "b"})
    assert await content_of(store, "b") == CONTENT
    assert storage.denied == 3
    assert calls.count("user_delegation_key") == 2


async def test_a_key_is_never_disclosed(
    store: AzureBlobStore, storage: DenyingStorage, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        signature = await store._container.sign("a", 60)
        storage.deny = lambda request: SIGNATURE_DENIED if is_copy(request) else None
        with pytest.raises(StoreUnavailable) as caught:
            await COPIES["stage_from"](store)
        storage.deny = lambda request: SOURCE_DENIED if is_copy(request) else None
        await COPIES["copy"](store)  # through the registry
    assert signature.key is not None
    key = signature.key.value or ""
    assert key
    for text in (caplog.text, str(caught.value), repr(caught.value), repr(signature)):
        assert key not in text
        assert "sig=" not in text
