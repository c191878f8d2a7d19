"""A registry over the memory store, whose calls are counted."""

import pytest

from registry_core.object_store.memory import MemoryStore
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.counting import CountingStore


@pytest.fixture
def memory() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def store(memory: MemoryStore) -> CountingStore:
    return CountingStore(memory)


@pytest.fixture
def registry(store: CountingStore) -> StoredRegistry:
    return StoredRegistry(store)
