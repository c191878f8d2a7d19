"""The contract of registries holds for our own registry through our own client."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from registry_core.registry import Registry
from registry_core.storage.stored_registry import StoredRegistry
from tests.contracts.registry import (
    IN_CHUNKS,
    OVER_HTTP,
    Carried,
    PutBlocks,
    RegistryContract,
    Snapshot,
)
from tests.contracts.registry.blobs import Blobs
from tests.contracts.registry.uploads import Uploads
from tests.support import served_storage
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
        async with client_of(server, StoredRegistry(memory)) as registry:
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
