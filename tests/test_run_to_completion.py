"""Writes are completed although their task is cancelled."""

import asyncio

import pytest

from registry_core.aio import run_to_completion

pytestmark = pytest.mark.anyio


async def test_a_write_in_progress_outlives_the_cancellation_of_its_task() -> None:
    written = asyncio.Event()

    async def write() -> None:
        await asyncio.sleep(0.01)
        written.set()

    task = asyncio.create_task(run_to_completion(write()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert written.is_set()


async def test_a_result_is_returned() -> None:
    async def write() -> str:
        return "written"

    assert await run_to_completion(write()) == "written"
