"""The registry over the memory store passes the contract, and so does a wrapper of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from registry_core.globs import TagGlobs
from registry_core.registry import Registry
from registry_core.spec.staging import Staging
from registry_core.storage.stored_registry import StoredRegistry
from registry_core.wrappers import Delegating
from tests.contracts.registry import IMMUTABLE, Carried, PutBlocks, RegistryContract, Snapshot
from tests.support import staging as blocks_of
from tests.support.staging import StagingMemory


@pytest.fixture
def memory() -> StagingMemory:
    return StagingMemory()


@pytest.fixture
def snapshot(memory: StagingMemory) -> Snapshot:
    return lambda: dict(memory.objects)


@pytest.fixture
def put_blocks(memory: StagingMemory) -> PutBlocks:
    async def put_blocks(staging: Staging, blocks: Sequence[bytes]) -> None:
        await blocks_of.put_blocks(memory, staging, list(blocks))

    return put_blocks


@pytest.fixture
def carried() -> Carried:
    return Carried()


class TestStoredRegistry(RegistryContract):
    @pytest.fixture
    def registry(self, memory: StagingMemory) -> Registry:
        return StoredRegistry(memory, immutable_tags=TagGlobs.parse(IMMUTABLE))


class TestWrapped(RegistryContract):
    @pytest.fixture
    def registry(self, memory: StagingMemory) -> Registry:
        inner = StoredRegistry(memory, immutable_tags=TagGlobs.parse(IMMUTABLE))
        return Delegating(inner).for_caller("alice")
