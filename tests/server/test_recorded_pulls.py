"""Pulls over HTTP are recorded: what was answered, by GET and HEAD, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import httpx
import pytest

from registry_core.app import RegistryApp
from registry_core.config import AzureStorage, Settings
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.storage.layout import Layout
from registry_core.storage.pulls import decode_pulls
from tests.support.counting import CountingStore
from tests.support.wire import Wire

pytestmark = pytest.mark.anyio

SETTINGS = Settings(
    AzureStorage("unused"),
    "a secret for tests, long enough",
    redirect=False,
    log_requests=False,
    record_pulls=True,
)


@dataclass
class Recorded:
    """A registry with an image, ``v1``, that another instance has pushed."""

    memory: MemoryStore
    digest: Digest
    settings: Settings = SETTINGS

    @asynccontextmanager
    async def instance(self) -> AsyncIterator[Wire]:
        """Start an instance, and stop it."""
        app = RegistryApp(self.settings, lambda _: CountingStore(self.memory))
        transport = httpx.ASGITransport(app.application)
        async with httpx.AsyncClient(transport=transport, base_url="http://a.test") as client:
            yield Wire(client, "a/b", lambda: set(self.memory.objects))
        await app.close()

    def references(self) -> set[str]:
        """Return the tags and digests that were recorded."""
        return {
            reference
            for path, record in self.memory.objects.items()
            if path.startswith(Layout().pulls)
            for _, references in decode_pulls(record.content)[1]
            for reference in references
        }


@pytest.fixture
async def recorded() -> Recorded:
    memory = MemoryStore()
    pushing = Recorded(memory, Digest.of(b""), replace(SETTINGS, record_pulls=False))
    async with pushing.instance() as wire:
        manifest = await wire.push_image("v1", b"a layer")
    return Recorded(memory, Digest.of(manifest))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("known", [False, True], ids=["200", "304"])
async def test_a_pull_by_tag_is_recorded_when_the_instance_stops(
    recorded: Recorded, *, method: str, known: bool
) -> None:
    """Also one of a client that has the manifest already."""
    headers = {"If-None-Match": f'"{recorded.digest}"'} if known else {}
    async with recorded.instance() as wire:
        url = f"{wire.base}/manifests/v1"
        answer = await wire.client.request(method, url, headers=headers)
        assert answer.status_code == (304 if known else 200)
        assert recorded.references() == set()
    assert recorded.references() == {"v1", str(recorded.digest)}


async def test_a_pull_by_digest_is_one_of_no_tag(recorded: Recorded) -> None:
    async with recorded.instance() as wire:
        answer = await wire.client.get(f"{wire.base}/manifests/{recorded.digest}")
        assert answer.status_code == 200
    assert recorded.references() == {str(recorded.digest)}


async def test_what_was_not_found_was_not_pulled(recorded: Recorded) -> None:
    async with recorded.instance() as wire:
        for reference in ("v2", Digest.of(b"another")):
            answer = await wire.client.get(f"{wire.base}/manifests/{reference}")
            assert answer.status_code == 404
    assert recorded.references() == set()


@pytest.mark.parametrize("change", [{"record_pulls": False}, {"delete": False}])
async def test_pulls_are_recorded_only_if_the_settings_say_so(
    recorded: Recorded, change: dict[str, bool]
) -> None:
    recorded.settings = replace(SETTINGS, **change)  # type: ignore[arg-type]
    async with recorded.instance() as wire:
        assert (await wire.client.get(f"{wire.base}/manifests/v1")).status_code == 200
    assert bool(recorded.references()) is recorded.settings.record_pulls
