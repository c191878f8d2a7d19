"""What becomes of the Azure store's calls when storage, or the way to it, has troubles."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import anyio
import pytest

from registry_core.object_store.azure import AzureBlobStore, Limits
from registry_core.object_store.interface import NotFound, StoreUnavailable
from registry_core.serve.azurite import ACCOUNT, KEY, Azurite
from tests.contracts.object_store import CONTENT, content_of, make_block_id
from tests.support.azurite import container_client, opened
from tests.support.troubled_network import TroubledNetwork, troubled_network

pytestmark = pytest.mark.anyio

Calls = list[tuple[str, str]]
LARGE = bytes(range(256)) * 4096 * 3  # 3 MiB


@asynccontextmanager
async def opened_at(
    port: int,
    container: str,
    *,
    key: str = KEY,
    limits: Limits | None = None,
    calls: Calls | None = None,
) -> AsyncIterator[AzureBlobStore]:
    url = f"http://127.0.0.1:{port}/{ACCOUNT}"
    store = AzureBlobStore.from_key(
        url,
        container,
        ACCOUNT,
        key,
        limits=limits or Limits(),
        on_call=lambda method, operation: (calls if calls is not None else []).append(
            (method, operation)
        ),
    )
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
def calls() -> Calls:
    """Every HTTP request that the ``remote`` store sent."""
    return []


@pytest.fixture
async def network(azurite: Azurite) -> AsyncIterator[TroubledNetwork]:
    async with troubled_network(azurite.port) as network:
        yield network


@pytest.fixture
async def remote(
    network: TroubledNetwork, container_name: str, calls: Calls
) -> AsyncIterator[AzureBlobStore]:
    """A store that reaches Azurite over the troubled network."""
    limits = Limits(first_delay=0.01, total=20)
    async with opened_at(network.port, container_name, limits=limits, calls=calls) as store:
        yield store


@pytest.fixture
async def store(azurite: Azurite, container_name: str) -> AsyncIterator[AzureBlobStore]:
    """A store over the same container that has no troubles."""
    async with opened(azurite, container_name) as store:
        yield store


async def test_a_busy_storage_is_retried(
    remote: AzureBlobStore, network: TroubledNetwork, calls: Calls
) -> None:
    network.busy = 3
    await remote.put("a", CONTENT)
    assert calls == [("PUT", "put")] * 4
    assert await content_of(remote, "a") == CONTENT


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_a_retried_block_is_sent_whole(
    remote: AzureBlobStore, network: TroubledNetwork, calls: Calls, kind: type[bytes]
) -> None:
    network.busy = 2
    await remote.stage("a", make_block_id("1"), kind(LARGE), md5=hashlib.md5(LARGE).digest())
    assert calls == [("PUT", "stage")] * 3
    await remote.commit("a", [make_block_id("1")])
    assert await content_of(remote, "a") == LARGE


async def test_a_retried_large_object_is_sent_whole(
    remote: AzureBlobStore, network: TroubledNetwork
) -> None:
    network.busy = 2
    await remote.put("a", LARGE)
    assert await content_of(remote, "a") == LARGE


@pytest.mark.parametrize("length", [None, len(LARGE)])
async def test_a_truncated_answer_is_retried(
    remote: AzureBlobStore,
    store: AzureBlobStore,
    network: TroubledNetwork,
    calls: Calls,
    length: int | None,
) -> None:
    await store.put("a", LARGE)
    network.cut_off = 1
    assert (await remote.get("a", length=length)).content == LARGE
    assert calls == [("GET", "get")] * 2


async def test_an_answer_that_is_always_truncated_is_never_taken_for_complete(
    remote: AzureBlobStore, store: AzureBlobStore, network: TroubledNetwork
) -> None:
    await store.put("a", LARGE)
    network.cut_off = 1000
    with pytest.raises(StoreUnavailable, match="get a"):
        await remote.get("a")


async def test_storage_that_stays_busy_is_unavailable(
    remote: AzureBlobStore, network: TroubledNetwork, calls: Calls
) -> None:
    network.busy = 1000
    with pytest.raises(StoreUnavailable, match="head a: 503 ServerBusy"):
        await remote.head("a")
    assert calls == [("HEAD", "head")] * 4
    network.busy = 0
    with pytest.raises(NotFound):
        await remote.head("a")


async def test_unreachable_storage_is_unavailable_soon(container_name: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        port = gone.getsockname()[1]
    async with opened_at(port, container_name) as store:
        with anyio.fail_after(20), pytest.raises(StoreUnavailable, match="put a: Cannot connect"):
            await store.put("a", CONTENT)


async def test_silent_storage_is_unavailable_after_the_time_limit(
    network: TroubledNetwork, container_name: str
) -> None:
    network.silent = 1000
    for limits in (Limits(total=0.5), Limits(silence=0.2, retries=1, first_delay=0.01)):
        async with opened_at(network.port, container_name, limits=limits) as store:
            with anyio.fail_after(20), pytest.raises(StoreUnavailable, match="get a"):
                await store.get("a")


async def test_concurrent_calls_share_connections(
    remote: AzureBlobStore, network: TroubledNetwork
) -> None:
    await remote.put("a", CONTENT)
    for _ in range(10):
        await remote.head("a")
    assert network.connections == 1
    async with anyio.create_task_group() as group:
        for _ in range(64):
            group.start_soon(remote.get, "a")
    assert network.connections <= 64
    before = network.connections
    await remote.get("a")
    assert network.connections == before


async def test_storage_without_its_container_is_unavailable(
    azurite: Azurite, store: AzureBlobStore, container_name: str
) -> None:
    with container_client(azurite, container_name) as container:
        container.delete_container()
    with pytest.raises(StoreUnavailable, match="ContainerNotFound"):
        await store.head("a")
    with pytest.raises(StoreUnavailable, match="ContainerNotFound"):
        await store.put("a", CONTENT)


async def test_a_wrong_key_makes_storage_unavailable_and_is_not_disclosed(
    azurite: Azurite, container_name: str
) -> None:
    key = "bm90IHRoZSBrZXk="
    async with opened_at(azurite.port, container_name, key=key) as store:
        with pytest.raises(StoreUnavailable, match="head a: 403") as caught:
            await store.head("a")
        assert key not in str(caught.value)
        assert "sig=" not in str(caught.value)
