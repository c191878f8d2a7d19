"""The contract of registries holds through the relay.

But for staging, which the relay does by itself; and what an unfinished upload leaves in storage.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from registry_core.client import ClientOptions, HttpRegistry
from registry_core.registry import Registry
from registry_core.spec.errors import BlobUploadUnknown
from registry_core.storage.stored_registry import StoredRegistry
from tests.client.serving import QUICK, application
from tests.contracts.registry import IN_CHUNKS, Carried, Snapshot
from tests.contracts.registry.blobs import Blobs
from tests.contracts.registry.common import LARGE
from tests.contracts.registry.deletions import Deletions
from tests.contracts.registry.listings import Listings
from tests.contracts.registry.manifests import Manifests
from tests.contracts.registry.preconditions import Preconditions
from tests.contracts.registry.referrers import Referrers
from tests.contracts.registry.uploads import Uploads
from tests.support.content import chunk
from tests.support.served import Served
from tests.support.served_storage import ServedStore

from .relaying import relay_to


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[Served]:
    async with Served.open() as served:
        yield served


@pytest.fixture(scope="module")
async def storage_server() -> AsyncIterator[Served]:
    async with Served.open() as served:
        yield served


@pytest.fixture
def memory(storage_server: Served) -> ServedStore:
    return ServedStore(storage_server)


@pytest.fixture
def snapshot(memory: ServedStore) -> Snapshot:
    return lambda: dict(memory.objects)


@pytest.fixture
def carried() -> Carried:
    return IN_CHUNKS  # an upload that breaks off ends


@pytest.fixture
async def registry(server: Served, memory: ServedStore) -> AsyncIterator[Registry]:
    url = server.use(application(StoredRegistry(memory)))
    async with (
        relay_to(url) as relay,
        HttpRegistry.open(ClientOptions(relay.url, retries=QUICK)) as client,
    ):
        yield client.for_caller("alice")


class TestThroughTheRelay(Blobs, Manifests, Preconditions, Deletions, Listings, Referrers, Uploads):
    """In memory, with storage that clients can stage blocks in."""

    async def test_a_cancelled_upload_is_gone(self, registry: Registry, snapshot: Snapshot) -> None:
        """While it was there, it had committed nothing."""
        upload = await registry.append_upload(await registry.start_upload("a"), chunk(LARGE))
        await registry.cancel_upload(upload)
        assert snapshot() == {}
        with pytest.raises(BlobUploadUnknown):
            await registry.get_upload(upload)
