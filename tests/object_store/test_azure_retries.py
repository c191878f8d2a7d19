"""How the Azure store retries: what it sends, when it gives up, how it uses connections."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing

import anyio
import pytest

from registry_core.object_store.azure import AzureBlobStore, Limits
from registry_core.object_store.errors import NotFound, StoreUnavailable
from registry_core.object_store.interface import StoredObject, StoredRange
from registry_core.serve.azurite import Azurite
from tests.contracts.object_store import CONTENT, content_of, make_block_id
from tests.support.azurite import container_client, opened, opened_at
from tests.support.faults import Fault, FaultyStorage, always, faulty_storage, first, never

pytestmark = pytest.mark.anyio

Calls = list[tuple[str, str]]
LARGE = bytes(range(256)) * 4096 * 3  # 3 MiB
WRONG_KEY = "bm90IHRoZSBrZXk="

READS: dict[str, Callable[[AzureBlobStore], Awaitable[StoredObject | StoredRange]]] = {
    "get": lambda s: s.get("a", limit=len(LARGE)),
    "get_range": lambda s: s.get_range("a", 0, len(LARGE)),
}


@pytest.fixture
def calls() -> Calls:
    """Every HTTP request sent by the ``remote`` store."""
    return []


@pytest.fixture
async def storage(azurite: Azurite) -> AsyncIterator[FaultyStorage]:
    async with faulty_storage(azurite.port) as storage:
        yield storage


@pytest.fixture
async def remote(
    storage: FaultyStorage, container_name: str, calls: Calls
) -> AsyncIterator[AzureBlobStore]:
    """A store that reaches Azurite through the proxy."""
    async with opened_at(
        storage.port,
        container_name,
        limits=Limits(first_delay=0.01, total=20),
        on_call=lambda method, operation: calls.append((method, operation)),
    ) as store:
        yield store


@pytest.fixture
async def store(azurite: Azurite, container_name: str) -> AsyncIterator[AzureBlobStore]:
    """A store over the same container that has no faults."""
    async with opened(azurite, container_name) as store:
        yield store


async def test_a_busy_storage_is_retried(
    remote: AzureBlobStore, storage: FaultyStorage, calls: Calls
) -> None:
    storage.choose = first(3, Fault.BUSY)
    await remote.put("a", CONTENT)
    assert calls == [("PUT", "put")] * 4
    assert await content_of(remote, "a") == CONTENT


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_a_retried_block_is_sent_whole(
    remote: AzureBlobStore, storage: FaultyStorage, calls: Calls, kind: type[bytes]
) -> None:
    storage.choose = first(2, Fault.BUSY)
    await remote.stage("a", make_block_id("1"), kind(LARGE), md5=hashlib.md5(LARGE).digest())
    assert calls == [("PUT", "stage")] * 3
    await remote.commit("a", [make_block_id("1")])
    assert await content_of(remote, "a") == LARGE


async def test_a_retried_large_object_is_sent_whole(
    remote: AzureBlobStore, storage: FaultyStorage
) -> None:
    storage.choose = first(2, Fault.BUSY)
    await remote.put("a", LARGE)
    assert await content_of(remote, "a") == LARGE


@pytest.mark.parametrize("read", READS)
async def test_a_truncated_answer_is_retried(
    remote: AzureBlobStore,
    store: AzureBlobStore,
    storage: FaultyStorage,
    calls: Calls,
    read: str,
) -> None:
    await store.put("a", LARGE)
    storage.choose = first(1, Fault.TRUNCATED)
    assert (await READS[read](remote)).content == LARGE
    assert calls == [("GET", "get")] * 2


async def test_an_answer_that_is_always_truncated_is_never_taken_for_complete(
    remote: AzureBlobStore, store: AzureBlobStore, storage: FaultyStorage
) -> None:
    await store.put("a", LARGE)
    storage.choose = always(Fault.TRUNCATED)
    for read in READS.values():
        with pytest.raises(StoreUnavailable, match="get a"):
            await read(remote)


async def test_storage_that_stays_busy_is_unavailable(
    remote: AzureBlobStore, storage: FaultyStorage, calls: Calls
) -> None:
    storage.choose = always(Fault.BUSY)
    with pytest.raises(StoreUnavailable, match="head a: 503 ServerBusy"):
        await remote.head("a")
    assert calls == [("HEAD", "head")] * (1 + Limits().throttled_retries)
    storage.choose = never
    with pytest.raises(NotFound):
        await remote.head("a")


async def test_unreachable_storage_is_unavailable_soon(container_name: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as closed:
        port = closed.getsockname()[1]
    async with opened_at(port, container_name) as store:
        with anyio.fail_after(20), pytest.raises(StoreUnavailable, match="put a: Cannot connect"):
            await store.put("a", CONTENT)


async def test_silent_storage_is_unavailable_after_the_time_limit(
    storage: FaultyStorage, container_name: str
) -> None:
    storage.choose = always(Fault.SLOW)
    for limits in (Limits(total=0.5), Limits(silence=0.2, retries=1, first_delay=0.01)):
        async with opened_at(storage.port, container_name, limits=limits) as store:
            with anyio.fail_after(20), pytest.raises(StoreUnavailable, match="get a"):
                await store.get("a", limit=10)


async def test_concurrent_calls_share_connections(
    remote: AzureBlobStore, storage: FaultyStorage
) -> None:
    await remote.put("a", CONTENT)
    for _ in range(10):
        await remote.head("a")
    assert storage.connections == 1
    async with anyio.create_task_group() as group:
        for _ in range(64):
            group.start_soon(remote.get_range, "a", 0, 10)
    assert storage.connections <= 64
    before = storage.connections
    await remote.get("a", limit=10)
    assert storage.connections == before


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
    async with opened_at(azurite.port, container_name, key=WRONG_KEY) as store:
        with pytest.raises(StoreUnavailable, match="head a: 403") as caught:
            await store.head("a")
        assert WRONG_KEY not in str(caught.value)
        assert "sig=" not in str(caught.value)
