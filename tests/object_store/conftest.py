"""Storage in the process of the test, and delays that pass at once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from registry_core.object_store.azure import client
from tests.support.scripted_storage import ScriptedStorage, scripted_storage
from tests.support.skipped_time import SkippedTime
from tests.support.store_calls import fill


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedStorage]:
    """A server that answers as Blob Storage does, or as the test says."""
    async with scripted_storage() as storage:
        await fill(storage.store)
        yield storage


@pytest.fixture
async def skipped_time(monkeypatch: pytest.MonkeyPatch) -> SkippedTime:
    """Delays before retries pass at once."""
    time = SkippedTime()
    time.replace_in(client, monkeypatch)
    return time
