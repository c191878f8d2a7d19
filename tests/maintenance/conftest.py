"""A registry over the memory store, for the doctor to examine."""

import pytest

from registry_core.object_store.memory import MemoryStore
from registry_core.storage.stored_registry import StoredRegistry


@pytest.fixture
def memory() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def registry(memory: MemoryStore) -> StoredRegistry:
    return StoredRegistry(memory)
