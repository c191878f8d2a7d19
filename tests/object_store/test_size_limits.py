"""What is larger than it may be is not read, and the connections stay usable."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import TCPConnector, web

from registry_core.object_store.azure import AzureBlobStore, Limits
from registry_core.object_store.azure.errors import AnswerMalformed
from registry_core.object_store.azure.listing import ListingMalformed
from registry_core.object_store.azure.session import make_connector
from registry_core.object_store.errors import TooLarge
from registry_core.object_store.interface import UNCONDITIONAL
from tests.support.scripted_storage import (
    ACCOUNT,
    CONTAINER,
    FROM_STORAGE,
    ScriptedStorage,
)
from tests.support.store_calls import KEY, opened_over

pytestmark = pytest.mark.anyio

MIB = 2**20
SIZE = 256 * MIB
HEADERS = FROM_STORAGE | {"ETag": '"1"', "Last-Modified": "Sat, 07 Nov 2026 08:09:10 GMT"}


READS: dict[str, Callable[[AzureBlobStore], Awaitable[object]]] = {
    "get": lambda s: s.get("a", limit=MIB),
    "get_range": lambda s: s.get_range("a", 0, MIB),
}


class EndlessStorage:
    """Answers every request with `SIZE` bytes and ``headers``; ``sent`` counts those sent."""

    def __init__(self, **headers: str) -> None:
        self.headers = HEADERS | {name.replace("_", "-"): text for name, text in headers.items()}
        self.sent = 0
        self.requests = 0
        self.done = asyncio.Event()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests += 1
        response = web.StreamResponse(headers=self.headers)
        response.content_length = SIZE
        assert request.transport is not None
        connection: socket.socket = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**16)
        try:
            await response.prepare(request)
            while self.sent < SIZE:
                await response.write(bytes(2**16))
                self.sent += 2**16
        finally:
            self.done.set()
        return response


@asynccontextmanager
async def serving(endless: EndlessStorage) -> AsyncIterator[AzureBlobStore]:
    """Open a store over the server. Its requests are not retried."""
    runner = web.ServerRunner(web.Server(endless.handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = "http://{}:{}/".format(*runner.addresses[0]) + ACCOUNT
    store = AzureBlobStore.from_key(url, CONTAINER, ACCOUNT, KEY, limits=Limits(retries=0))
    try:
        yield store
    finally:
        await store.close()
        await runner.cleanup()


async def test_the_rest_of_an_object_that_is_too_large_is_not_read() -> None:
    endless = EndlessStorage()
    async with serving(endless) as store:
        with pytest.raises(TooLarge, match=f"a has more than {MIB} bytes"):
            await store.get("a", limit=MIB)
        async with asyncio.timeout(30):
            await endless.done.wait()
    assert endless.requests == 1
    assert endless.sent < SIZE / 8  # buffers of the two sides


@pytest.mark.parametrize("read", ["get", "get_range"])
async def test_the_rest_of_an_answer_with_more_than_it_says_is_not_read(read: str) -> None:
    endless = EndlessStorage(Content_Range="bytes 0-9/10")
    async with serving(endless) as store:
        with pytest.raises(AnswerMalformed, match="get a: more arrived"):
            await READS[read](store)
        async with asyncio.timeout(30):
            await endless.done.wait()
    assert endless.sent < SIZE / 8


async def test_a_listing_whose_rows_do_not_end_is_not_read_on() -> None:
    endless = EndlessStorage()
    async with serving(endless) as store:
        with pytest.raises(ListingMalformed, match=f"list {CONTAINER}: .*: a row has no end"):
            await store.list_page("")
        async with asyncio.timeout(30):
            await endless.done.wait()
    assert endless.sent < SIZE / 8


async def test_an_answer_to_a_batch_that_does_not_end_is_not_read_on() -> None:
    endless = EndlessStorage(Content_Type="multipart/mixed; boundary=b")
    async with serving(endless) as store:
        with pytest.raises(AnswerMalformed, match=r"delete_batch .*: more than 8192 bytes"):
            await store.delete_batch([("a", UNCONDITIONAL)])
        async with asyncio.timeout(30):
            await endless.done.wait()
    assert endless.sent < SIZE / 8


@pytest.mark.parametrize("size", [0, 1, 10, 2**18])
async def test_the_limit_is_exact(scripted: ScriptedStorage, size: int) -> None:
    await scripted.store.put("b", bytes(size))
    async with opened_over(scripted) as store:
        assert (await store.get("b", limit=size)).content == bytes(size)
        if size:
            with pytest.raises(TooLarge):
                await store.get("b", limit=size - 1)


async def test_too_large_objects_do_not_use_up_connections(scripted: ScriptedStorage) -> None:
    """The connector would block at its limit, if one was not given back."""
    connectors: list[TCPConnector] = []

    def make() -> TCPConnector:
        connector = make_connector()
        assert isinstance(connector, TCPConnector)
        connector._limit = 4
        connectors.append(connector)
        return connector

    await scripted.store.put("b", bytes(2**20))
    async with opened_over(scripted, connector=make) as store, asyncio.timeout(30):

        async def get_too_much() -> None:
            with pytest.raises(TooLarge):
                await store.get("b", limit=2**10)

        await asyncio.gather(*(get_too_much() for _ in range(20)))
        assert not connectors[0]._acquired
        assert (await store.get("b", limit=2**20)).content == bytes(2**20)
        assert not connectors[0]._acquired
