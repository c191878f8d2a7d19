"""The races detect torn writes, which the store produces here, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest

from registry_core.app import build_application, build_registry
from registry_core.config import AzureStorage, Settings
from registry_core.object_store.errors import NotFound
from registry_core.object_store.interface import UNCONDITIONAL, Buffer, Condition
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.spec.manifest import MAX_MANIFEST_BYTES
from registry_core.storage import links
from registry_core.storage.content import Content
from registry_core.storage.links import Link
from registry_core.storage.tags import Tags

from .tags import Deleted, Moved

pytestmark = pytest.mark.anyio

SECONDS = 0.5


@dataclass
class TwoSteps(MemoryStore):
    """Creates objects whose paths end with ``torn`` empty and fills them in a second step."""

    torn: str = "/link"
    gap: float = 0.002

    async def put(
        self,
        path: str,
        content: Buffer,
        *,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> str:
        if path.endswith(self.torn):
            await super().put(path, b"", condition=condition)
            condition = UNCONDITIONAL
            await asyncio.sleep(self.gap)
        await asyncio.sleep(0.001)
        return await super().put(path, content, metadata=metadata, condition=condition)


@asynccontextmanager
async def two_hosts_over(store: MemoryStore) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Run two applications that share only the store."""
    settings = Settings(AzureStorage("unused"), "a secret for tests, long enough", redirect=False)
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(2):
            application = build_application(settings, build_registry(settings, store))
            transport = httpx.ASGITransport(application)
            client = httpx.AsyncClient(transport=transport, base_url="http://registry.test")
            clients.append(await stack.enter_async_context(client))
        yield clients


async def test_links_written_in_two_steps_are_torn_for_readers_that_look_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As readers of distribution up to v3.1.1 do."""

    async def nowhere_else(*_: object) -> Link:
        raise NotFound

    monkeypatch.setattr(links, "REREAD_DELAYS", ())
    monkeypatch.setattr(Tags, "_newest_in_index", nowhere_else)
    async with two_hosts_over(TwoSteps()) as hosts:
        race = Moved(hosts, SECONDS, reads_by_tag=10)
        await race.race()
    assert any(fault.startswith("reads by tag: 404") for fault in race.faults)
    with pytest.raises(AssertionError, match="faults beside"):
        race.verdict()


async def test_links_written_in_two_steps_are_whole_for_readers_that_look_again() -> None:
    async with two_hosts_over(TwoSteps()) as hosts:
        race = Moved(hosts, SECONDS, pushes=50, reads_by_tag=50, reads_by_digest=50)
        await race.race()
    race.verdict()


async def test_content_written_in_two_steps_is_torn_for_clients_that_do_not_verify(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A concurrent push treats it as complete, and a read as valid."""

    async def compare(*_: object) -> None:
        """Whatever is there is complete."""

    async def read_manifest(content: Content, digest: Digest) -> bytes:
        path = content.layout.content(digest)
        return (await content.store.get(path, limit=MAX_MANIFEST_BYTES)).content

    monkeypatch.setattr(Content, "_compare", compare)
    monkeypatch.setattr(Content, "read_manifest", read_manifest)
    async with two_hosts_over(TwoSteps(torn="/data", gap=0.25)) as hosts:
        race = Deleted(hosts, SECONDS, readers=4)
        await race.race()
    assert any("200, digest sha256:" in fault and "b''" in fault for fault in race.faults)
    with pytest.raises(AssertionError, match="faults beside"):
        race.verdict()


async def test_content_written_in_two_steps_is_not_served_before_it_is_whole() -> None:
    async with two_hosts_over(TwoSteps(torn="/data")) as hosts:
        race = Deleted(hosts, SECONDS, pushes=10, reads_by_tag=10, reads_by_digest=10)
        await race.race()
    race.verdict()


async def test_what_is_written_in_one_step_is_whole() -> None:
    """The same races over the same store, without torn writes."""
    async with two_hosts_over(TwoSteps(torn="/nothing")) as hosts:
        for race in (Moved(hosts, SECONDS), Deleted(hosts, SECONDS)):
            await race.race()
            race.verdict()
