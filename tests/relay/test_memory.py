"""What the relay keeps in memory between the requests of uploads is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from registry_core.relay import table
from registry_core.relay.memory import BODIES, KEPT, RECEIVING
from tests.support.eventually import eventually

from .relaying import MIB, RunningRelay
from .scripted_registry import ScriptedRegistry, digest_of

pytestmark = pytest.mark.anyio

WAITING = bytes(7 * MIB)


async def test_uploads_that_wait_are_sent_on_where_they_are_many(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    """Those that fit stay in memory until their last request."""
    locations = [await relay.patch(await relay.begin(), WAITING) for _ in range(6)]

    assert relay.pusher._memory.kept == 4 * len(WAITING) <= KEPT
    assert registry.operations.count("GET staging") == 2
    for location in locations:
        registry.blocks.clear()  # it has storage for one upload at a time
        registry.blocks["block"] = WAITING
        assert (await relay.finish(location, digest_of(WAITING))).status_code == 201
    assert relay.pusher._memory.kept == 0


async def test_the_rest_of_a_large_upload_is_sent_on_where_uploads_are_many(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    """What has not filled a block becomes a short one."""
    large = await relay.patch(await relay.begin(), bytes(9 * MIB))
    for _ in range(4):
        await relay.patch(await relay.begin(), WAITING)
    await relay.patch(large, bytes(6 * MIB))

    assert sorted(map(len, registry.blocks.values()))[-2:] == [7 * MIB, 8 * MIB]


async def test_uploads_that_are_given_up_free_their_memory(relay: RunningRelay) -> None:
    location = await relay.patch(await relay.begin(), WAITING)
    await relay.http.delete(location)

    assert relay.pusher._memory.kept == 0


async def test_the_oldest_upload_ends_where_there_are_too_many(
    relay: RunningRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "MOST", 2)
    first, second, _third = [await relay.begin() for _ in range(3)]

    assert (await relay.http.get(first)).status_code == 404
    assert (await relay.http.get(second)).status_code == 204


async def test_an_upload_that_waits_too_long_ends(
    relay: RunningRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = await relay.begin()
    monkeypatch.setattr(table, "IDLE", -1.0)
    await relay.begin()

    assert (await relay.http.get(waiting)).status_code == 404


async def test_bodies_that_are_received_are_bounded(relay: RunningRelay) -> None:
    """Others wait until one of them has ended."""
    may_end = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"begun"
        await may_end.wait()

    locations = [await relay.begin() for _ in range(RECEIVING + 1)]
    slow = [asyncio.ensure_future(relay.http.patch(each, content=body())) for each in locations[1:]]

    async def all_begun() -> bool:
        return relay.pusher._memory.receiving.locked()

    await eventually(all_begun)
    waiting = asyncio.ensure_future(relay.patch(locations[0], WAITING))
    done, _ = await asyncio.wait({waiting}, timeout=0.5)
    may_end.set()

    assert not done
    assert {answer.status_code for answer in await asyncio.gather(*slow)} == {202}
    assert await waiting


async def test_manifests_that_are_held_are_bounded(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    """Others wait until one of them is answered; requests without a body do not."""
    may_answer, path = asyncio.Event(), "/v2/team/app/manifests/v1"

    async def answer(request: web.BaseRequest) -> web.Response:
        if request.method == "PUT":
            await may_answer.wait()
        return web.Response(status=201)

    registry.answers[path] = answer
    puts = [asyncio.ensure_future(relay.http.put(path, content=b"{}")) for _ in range(BODIES + 4)]

    async def all_begun() -> bool:
        return len(registry.requests) == BODIES

    await eventually(all_begun)
    done, _ = await asyncio.wait(puts, timeout=0.5)
    assert not done
    assert len(registry.requests) == BODIES
    assert (await relay.http.get(path)).status_code == 201
    may_answer.set()
    assert {each.status_code for each in await asyncio.gather(*puts)} == {201}
