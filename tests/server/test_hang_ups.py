"""A client that hangs up ends the work of its request: uploads and streamed blobs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.types import Message, Scope

from registry_core.app import build_application, build_registry
from registry_core.config import AzureStorage, Settings
from registry_core.object_store.interface import StoredRange
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.storage.ranged_reads import RANGE
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import push_blob, random_bytes

pytestmark = pytest.mark.anyio

SETTINGS = Settings(AzureStorage("unused"), "a secret for tests, long enough", redirect=False)
BLOB = random_bytes(2 * RANGE)
DIGEST = Digest.of(BLOB)


@dataclass
class SlowStore(MemoryStore):
    """Once ``is_slow``, blocks and ranges are in flight until their request is cancelled."""

    is_slow: bool = False
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    in_flight: int = 0

    async def stage(self, path: str, block_id: str, *arguments: Any, **options: Any) -> None:
        await self._wait()
        await super().stage(path, block_id, *arguments, **options)

    async def get_range(self, path: str, offset: int, length: int, **options: Any) -> StoredRange:
        if offset:
            await self._wait()
        found = await super().get_range(path, offset, length, **options)
        pieces = [found.content[start : start + 2**18] for start in range(0, length, 2**18)]
        return StoredRange(found.properties, pieces)

    async def _wait(self) -> None:
        if self.is_slow:
            self.begun.set()
            self.in_flight += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.in_flight -= 1


async def request(
    store: MemoryStore, method: str, path: str, receive: Callable[[], Awaitable[Message]]
) -> list[Message]:
    """Send a request over ASGI as uvicorn does. Return what was answered."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "method": method,
        "scheme": "http",
        "server": None,
        "path": path.partition("?")[0],
        "query_string": path.partition("?")[2].encode(),
        "headers": [(b"host", b"registry.test")],
    }
    application = build_application(SETTINGS, build_registry(SETTINGS, store))
    await asyncio.wait_for(application(scope, receive, send), 30)
    return sent


def hanging_up(store: SlowStore, body: bytes) -> Callable[[], Awaitable[Message]]:
    """Return the messages of a client that hangs up once its request waits for storage."""
    pieces = [body]

    async def receive() -> Message:
        if pieces:
            return {"type": "http.request", "body": pieces.pop(), "more_body": bool(body)}
        await store.begun.wait()
        return {"type": "http.disconnect"}

    return receive


async def test_the_read_of_a_blob_is_cancelled() -> None:
    store = SlowStore()
    await push_blob(StoredRegistry(store), "a", BLOB)
    before = asyncio.all_tasks()
    store.is_slow = True
    sent = await request(store, "GET", f"/v2/a/blobs/{DIGEST}", hanging_up(store, b""))
    assert sent[0]["status"] == 200
    assert sum(len(message.get("body", b"")) for message in sent) < len(BLOB)
    await asyncio.sleep(0)  # the cancelled task's turn
    assert (store.in_flight, asyncio.all_tasks()) == (0, before)


async def test_the_blocks_of_an_upload_are_cancelled() -> None:
    store = SlowStore(is_slow=True)
    path, before = f"/v2/a/blobs/uploads/?digest={DIGEST}", asyncio.all_tasks()
    sent = await request(store, "POST", path, hanging_up(store, BLOB))
    assert sent[0]["status"] == 499
    assert (store.in_flight, asyncio.all_tasks()) == (0, before)
    assert not store.objects
    assert not store.staged
