"""The client holds no blob in memory, whichever way it goes."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from registry_core.client import ClientOptions, HttpRegistry
from registry_core.registry import Chunk
from registry_core.spec.digest import Digest
from registry_core.spec.staging import STAGING, Staging
from tests.support.served import Served

pytestmark = pytest.mark.anyio

MIB = 2**20
PIECE = bytes(range(256)) * (MIB // 256)
SIZE = 192 * MIB
DIGEST = Digest.of(b"the registry here does not look")


async def body() -> AsyncIterator[bytes]:
    for _ in range(SIZE // MIB):
        yield PIECE


@contextmanager
def peak_below(limit: int) -> Iterator[None]:
    """Assert that the block allocates less than ``limit`` bytes at any time."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < limit, f"{peak / MIB:.0f} MiB"


class Discarding:
    """A registry, and storage, that takes everything and keeps nothing."""

    def __init__(self, staging: Staging | None = None, limit: int | None = None) -> None:
        self.staging = staging
        self.limit = limit
        self.received = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        async for piece in request.stream():
            self.received += len(piece)
        await self.answer(request)(scope, receive, send)

    def answer(self, request: Request) -> Response:
        headers = {"Location": "/v2/a/blobs/uploads/id?_state=s"}
        if self.limit:
            headers["OCI-Chunk-Max-Length"] = str(self.limit)
        match request.method:
            case "POST" | "PATCH":
                return Response(status_code=202, headers=headers)
            case "PUT":
                return Response(status_code=201)
            case "HEAD":
                return Response(headers={"Content-Length": str(SIZE)})
        if "staging=1" in request.url.query and self.staging:
            return Response(self.staging.to_json(), media_type=STAGING)
        if "/uploads/" in request.url.path:
            return Response(status_code=204, headers=headers)
        return StreamingResponse(body(), headers={"Content-Length": str(SIZE)})


async def push(server: Served, target: Discarding) -> None:
    async with HttpRegistry.open(ClientOptions(server.use(target))) as registry:
        upload = await registry.start_upload("a")
        await registry.finish_upload(upload, DIGEST, Chunk(body(), length=SIZE))


async def test_a_blob_that_is_sent_in_one_piece(server: Served) -> None:
    target = Discarding()
    with peak_below(32 * MIB):
        await push(server, target)
    assert target.received == SIZE


async def test_a_blob_that_is_sent_in_chunks(server: Served) -> None:
    target = Discarding(limit=16 * MIB)
    with peak_below(64 * MIB):
        await push(server, target)
    assert target.received == SIZE


async def test_a_blob_that_is_staged(server: Served, storage_server: Served) -> None:
    """Four blocks of 8 MiB are under way, and one is being filled."""
    storage = Discarding()
    url = f"{storage_server.use(storage)}/data?comp=block"
    staging = Staging(url, datetime.now(UTC) + timedelta(hours=1), "0123456789abcdef")
    target = Discarding(staging)
    with peak_below(96 * MIB):
        await push(server, target)
    assert (storage.received, target.received) == (SIZE, 0)


async def test_a_blob_that_is_read(server: Served) -> None:
    with peak_below(16 * MIB):
        async with HttpRegistry.open(ClientOptions(server.use(Discarding()))) as registry:
            blob = await registry.open_blob("a", DIGEST)
            assert sum([len(piece) async for piece in await blob.read(0, SIZE)]) == SIZE
