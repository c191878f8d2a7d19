"""One request has so many calls to storage under way at most, whatever it does in parallel."""

import asyncio

import pytest

from registry_core.aio import for_each
from registry_core.object_store.azure import AzureBlobStore
from registry_core.object_store.interface import exists
from registry_core.observe import MAX_PARALLEL_CALLS, Activity, observed
from tests.support.scripted_storage import Instead, ScriptedStorage, scripted_storage
from tests.support.store_calls import opened_over

pytestmark = pytest.mark.anyio

HELD = Instead(silent=True)
COUNT = 3 * MAX_PARALLEL_CALLS


async def arrived(storage: ScriptedStorage, count: int) -> None:
    """Return when storage has received so many requests."""
    async with asyncio.timeout(20):
        while len(storage.received) < count:  # noqa: ASYNC110 - another task counts them
            await asyncio.sleep(0.01)


async def look(store: AzureBlobStore) -> None:
    """Look for many objects, as many at a time as storage lets."""

    async def head(path: str) -> bool:
        return await exists(store, path)

    await for_each((f"{n}" for n in range(COUNT)), head, limit=COUNT)


async def test_the_calls_of_one_request_wait_for_each_other() -> None:
    async with scripted_storage() as storage, opened_over(storage) as store:
        storage.choose = lambda _: HELD
        with observed(Activity()):
            first = asyncio.ensure_future(look(store))
        with observed(Activity()):
            second = asyncio.ensure_future(look(store))
        await arrived(storage, 2 * MAX_PARALLEL_CALLS)
        await asyncio.sleep(0.1)
        assert len(storage.received) == 2 * MAX_PARALLEL_CALLS
        for task in (first, second):
            task.cancel()
        await asyncio.gather(first, second, return_exceptions=True)


async def test_all_of_them_are_made() -> None:
    activity = Activity()
    async with scripted_storage() as storage, opened_over(storage) as store:
        with observed(activity):
            await look(store)
    assert activity.storage_calls == len(storage.received) == COUNT


async def test_outside_of_requests_nothing_waits() -> None:
    async with scripted_storage() as storage, opened_over(storage) as store:
        storage.choose = lambda _: HELD
        looking = asyncio.ensure_future(look(store))
        await arrived(storage, COUNT)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
