"""The contract of registries holds for our own registry through our own client."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from registry_core.globs import TagGlobs
from registry_core.registry import Registry
from registry_core.serve.azurite import Azurite
from registry_core.spec.digest import Digest
from registry_core.storage.stored_registry import StoredRegistry
from tests.contracts.registry import (
    IMMUTABLE,
    IN_CHUNKS,
    OVER_HTTP,
    Carried,
    PutBlocks,
    RegistryContract,
    Snapshot,
)
from tests.contracts.registry.blobs import Blobs
from tests.contracts.registry.common import LARGE
from tests.contracts.registry.staging import StagingContract
from tests.contracts.registry.uploads import Uploads
from tests.support import served_storage
from tests.support.azurite import container_client, opened
from tests.support.content import push_blob
from tests.support.served import Served
from tests.support.served_storage import ServedStore

from .serving import client_of

BODY_LIMIT = 3 * 2**20 + 1


@pytest.fixture
def memory(storage_server: Served) -> ServedStore:
    return ServedStore(storage_server)


@pytest.fixture
def snapshot(memory: ServedStore) -> Snapshot:
    return lambda: dict(memory.objects)


@pytest.fixture
def put_blocks() -> PutBlocks:
    return served_storage.put_blocks


@pytest.fixture
def carried() -> Carried:
    return OVER_HTTP


class TestHttpRegistry(RegistryContract):
    """In memory, with storage that clients can stage blocks in."""

    @pytest.fixture
    async def registry(self, server: Served, memory: ServedStore) -> AsyncIterator[Registry]:
        stored = StoredRegistry(memory, immutable_tags=TagGlobs.parse(IMMUTABLE))
        async with client_of(server, stored) as registry:
            yield registry.for_caller("alice")


class TestInChunks(Blobs, Uploads):
    """In memory, on a host that limits bodies, with storage that clients cannot reach."""

    @pytest.fixture
    def carried(self) -> Carried:
        return IN_CHUNKS

    @pytest.fixture
    async def registry(self, server: Served, memory: ServedStore) -> AsyncIterator[Registry]:
        memory.url = "https://storage.invalid"
        async with client_of(server, StoredRegistry(memory), body_limit=BODY_LIMIT) as registry:
            yield registry


class TestOverAzurite(Blobs, Uploads, StagingContract):
    """Over Azurite: large blobs are read from it, by redirects, and staged to it."""

    @pytest.fixture
    def snapshot(self, azurite: Azurite, container_name: str) -> Snapshot:
        def snapshot() -> dict[str, object]:
            with container_client(azurite, container_name) as container:
                return {blob.name: blob.etag for blob in container.list_blobs()}

        return snapshot

    @pytest.fixture
    async def registry(
        self, server: Served, azurite: Azurite, container_name: str
    ) -> AsyncIterator[Registry]:
        async with (
            opened(azurite, container_name) as store,
            client_of(server, StoredRegistry(store)) as registry,
        ):
            yield registry

    async def test_a_large_blob_has_a_url_of_storage(
        self, registry: Registry, azurite: Azurite
    ) -> None:
        await push_blob(registry, "a", LARGE)
        url = await (await registry.open_blob("a", Digest.of(LARGE))).url()
        assert url is not None
        assert f":{azurite.port}/" in url
