"""Blobs over HTTP: read in parts, resumed where they break off, and never another blob's bytes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from registry_core.client import HttpRegistry
from registry_core.registry import Blob
from registry_core.spec.digest import Digest
from registry_core.spec.errors import BlobUnknown, Unavailable
from tests.support.content import random_bytes

from .peers import QUICK, Peer, Received, peer, redirect, session

pytestmark = pytest.mark.anyio

CONTENT = random_bytes(100_000)
DIGEST = Digest.of(CONTENT)
PATH = f"/v2/a/blobs/{DIGEST}"


@dataclass
class Source:
    """A registry that has one blob. ``breaks``: after how many bytes each of the answers breaks."""

    breaks: list[int | None] = field(default_factory=list)
    ranges: bool = True
    content: bytes = CONTENT
    headers: dict[str, str] = field(default_factory=dict)

    async def __call__(self, request: Received) -> web.StreamResponse:
        size = str(len(self.content))
        if request.method == "HEAD":
            return web.Response(headers={"Content-Length": str(len(CONTENT)), **self.headers})
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
        if wanted is None or not self.ranges:
            return await self.answer(self.content, 200, {})
        first, last = int(wanted[1]), int(wanted[2])
        part = self.content[first : last + 1]
        if not part:
            return web.Response(status=416)
        place = {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{size}"}
        return await self.answer(part, 206, place)

    async def answer(self, body: bytes, status: int, headers: dict[str, str]) -> web.StreamResponse:
        limit = self.breaks.pop(0) if self.breaks else None
        if limit is None:
            return web.Response(body=body, status=status, headers=headers)
        return _Broken(body, limit, status=status, headers=headers)


class _Broken(web.StreamResponse):
    """An answer that breaks off after some bytes."""

    def __init__(self, body: bytes, limit: int, *, status: int, headers: dict[str, str]) -> None:
        super().__init__(status=status, headers={**headers, "Content-Length": str(len(body))})
        self._part = body[:limit]

    async def write_eof(self, data: bytes = b"") -> None:
        await self.write(self._part)
        request = self._req
        assert request is not None
        assert request.transport is not None
        await asyncio.sleep(0.01)
        request.transport.close()


@asynccontextmanager
async def blob_of(source: Source) -> AsyncIterator[tuple[Blob, Peer]]:
    async with peer(source) as running, session(running.url) as client:
        yield await HttpRegistry(client).open_blob("a", DIGEST), running


async def read(blob: Blob, offset: int = 0, length: int = len(CONTENT)) -> bytes:
    return b"".join([piece async for piece in await blob.read(offset, length)])


async def test_a_whole_blob_is_read_without_a_range_and_a_part_with_one() -> None:
    async with blob_of(Source()) as (blob, served):
        assert await read(blob) == CONTENT
        assert await read(blob, 10, 5) == CONTENT[10:15]
    ranges = [each.headers.get("Range") for each in served.received]
    assert ranges == [None, None, "bytes=10-14"]


async def test_a_read_that_breaks_off_goes_on_from_where_it_stopped() -> None:
    async with blob_of(Source(breaks=[30_000, 1, 20_000])) as (blob, served):
        assert await read(blob, 5, 90_000) == CONTENT[5:90_005]
    ranges = [each.headers.get("Range") for each in served.received[1:]]
    assert ranges == [
        "bytes=5-90004",
        "bytes=30005-90004",
        "bytes=30006-90004",
        "bytes=50006-90004",
    ]


async def test_a_server_without_ranges_is_read_from_the_beginning_again() -> None:
    async with blob_of(Source(breaks=[60_000, 70_000], ranges=False)) as (blob, served):
        assert await read(blob, 50_000, 40_000) == CONTENT[50_000:90_000]
    assert len(served.received) == 4


async def test_a_server_that_sends_nothing_more_is_given_up() -> None:
    async with blob_of(Source(breaks=[10, *[0] * 50])) as (blob, served):
        with pytest.raises(Unavailable, match="broke off"):
            await read(blob)
    assert len(served.received) == 2 + QUICK.attempts - 1


async def test_a_blob_that_is_gone_when_it_is_read_is_unknown_before_the_first_piece() -> None:
    source = Source()
    async with blob_of(source) as (blob, _):
        source.content = b""
        with pytest.raises(BlobUnknown, match="it has 0 bytes, not 100000"):
            await blob.read(0, len(CONTENT))
        with pytest.raises(BlobUnknown, match="it has no byte 7"):
            await blob.read(7, 1)


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x"])
@pytest.mark.parametrize("ranges", [True, False])
async def test_a_blob_of_another_size_is_unknown_before_the_first_piece(
    content: bytes, *, ranges: bool
) -> None:
    async with blob_of(Source(content=content, ranges=ranges)) as (blob, _):
        for offset, length in ((0, len(CONTENT)), (5, 10)):
            with pytest.raises(BlobUnknown, match="damaged: it has"):
                await blob.read(offset, length)


async def test_an_answer_about_another_blob_is_refused() -> None:
    headers = {"Docker-Content-Digest": str(Digest.of(b"other"))}
    async with peer(Source(headers=headers)) as running, session(running.url) as client:
        with pytest.raises(BlobUnknown, match="answered with blob"):
            await HttpRegistry(client).open_blob("a", DIGEST)


async def test_a_size_that_a_head_lacks_is_that_of_a_range() -> None:
    async def answer(request: Received) -> web.StreamResponse:
        if request.method == "HEAD":
            response = web.StreamResponse()
            response.enable_chunked_encoding()
            return response
        return await Source()(request)

    async with peer(answer) as running, session(running.url) as client:
        blob = await HttpRegistry(client).resolve_blob("a", DIGEST)
    assert blob.size == len(CONTENT)
    assert running.received[-1].headers["Range"] == "bytes=0-0"


async def test_the_url_of_a_blob_is_where_it_is_redirected_to_and_is_not_followed() -> None:
    async with peer(lambda _: web.Response()) as storage:
        target = f"{storage.url}/data?sig=secret"

        def answer(request: Received) -> web.StreamResponse:
            if request.method == "HEAD":
                return web.Response(headers={"Content-Length": "5"})
            return redirect(target)

        async with peer(answer) as running, session(running.url) as client:
            blob = await HttpRegistry(client).open_blob("a", DIGEST)
            assert await blob.url() == target
        assert storage.received == []


async def test_a_registry_that_serves_blobs_itself_has_no_url() -> None:
    async with blob_of(Source()) as (blob, _):
        assert await blob.url() is None


async def test_a_part_is_read_from_where_it_is_redirected_to() -> None:
    async with peer(Source()) as storage:

        def answer(request: Received) -> web.StreamResponse:
            if request.method == "HEAD":
                return web.Response(headers={"Content-Length": str(len(CONTENT))})
            return redirect(f"{storage.url}/data")

        async with peer(answer) as running, session(running.url) as client:
            blob = await HttpRegistry(client).open_blob("a", DIGEST)
            assert await read(blob, 7, 100) == CONTENT[7:107]
        assert [each.headers["Range"] for each in storage.received] == ["bytes=7-106"]


async def test_a_reader_that_stops_early_closes_the_connection() -> None:
    async with blob_of(Source()) as (blob, _):
        pieces = await blob.read(0, len(CONTENT))
        async for piece in pieces:
            assert CONTENT.startswith(piece)
            break
        await pieces.aclose()  # type: ignore[attr-defined]
        assert await read(blob, 0, 5) == CONTENT[:5]
