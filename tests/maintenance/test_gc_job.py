"""The job that collects garbage: due each hour, one run a day, slices of a run in between."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from registry_core.config import read_settings
from registry_core.jobs import JobContext, gc_options, jobs_for
from registry_core.maintenance.gc import latest_run
from registry_core.maintenance.gc.record import RunRecord
from registry_core.maintenance.retention import NO_POLICY
from registry_core.object_store.interface import ObjectStore
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.storage.condemnation import is_condemned
from registry_core.storage.layout import Layout
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import push_image
from tests.support.counting import CountingStore

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
GARBAGE = b"nothing references it"
SETTINGS = {
    "REGISTRY_STORAGE_AZURE_ACCOUNTNAME": "unused",
    "REGISTRY_STORAGE_AZURE_CONTAINER": "unused",
    "REGISTRY_HTTP_SECRET": "a secret of the tests, long enough for everybody",
    "REGISTRY_GC_ENABLED": "true",
    "REGISTRY_GC_YOUNG": "0",
}


async def tick(store: ObjectStore, limit: timedelta | None = None) -> None:
    [job] = jobs_for(read_settings(SETTINGS), limit=limit)
    await job.run(JobContext(store, LAYOUT))


async def put_run(memory: MemoryStore, age: timedelta, state: str) -> None:
    """Leave the record of a run that began some time ago, named as a run names it."""
    now = datetime.now(UTC)
    record = await RunRecord.begin(memory, LAYOUT, gc_options(read_settings(SETTINGS)))
    await memory.delete(LAYOUT.gc_run(record.ident))
    suffix = record.ident.partition("-")[2]
    path = LAYOUT.gc_run(f"{now - age:%Y%m%dT%H%M%SZ}-{suffix}")
    await memory.put(path, b"{}", metadata={"state": state})


async def runs(memory: MemoryStore) -> int:
    page = await memory.list_page(LAYOUT.gc_runs)
    return len(page.entries)


async def test_a_tick_collects_what_is_garbage(memory: MemoryStore) -> None:
    path = LAYOUT.content(Digest.of(GARBAGE))
    await memory.put(path, GARBAGE)
    await tick(memory)
    assert is_condemned(await memory.head(path))


async def test_a_tick_on_the_same_day_is_one_call(memory: MemoryStore) -> None:
    await tick(memory)
    counting = CountingStore(memory)
    await tick(counting)
    assert counting.take() == ["list_page"]


@pytest.mark.parametrize(
    "age, state, begins",
    [
        (timedelta(hours=23), "finished", False),
        (timedelta(hours=24), "finished", True),
        (timedelta(hours=1), "failed", True),
        (timedelta(days=8), "running", True),
    ],
)
async def test_a_run_begins_a_day_after_the_last_one_began_or_if_that_failed(
    memory: MemoryStore, age: timedelta, state: str, *, begins: bool
) -> None:
    await put_run(memory, age, state)
    await tick(memory)
    assert await runs(memory) == 1 + begins


async def test_a_machine_whose_clock_is_years_ahead_does_not_keep_others_from_collecting(
    memory: MemoryStore,
) -> None:
    await put_run(memory, timedelta(days=-1000), "finished")
    await tick(memory)
    assert await runs(memory) == 2
    await tick(memory)
    assert await runs(memory) == 2


async def test_a_run_that_takes_longer_than_a_slice_is_continued_by_the_next_tick(
    memory: MemoryStore,
) -> None:
    registry = StoredRegistry(memory)
    for name in ("a", "b", "c"):
        await push_image(registry, name, "v1", [name.encode()])
    ticks = 0
    while (latest := await latest_run(memory, LAYOUT)) is None or latest.state == "running":
        await tick(memory, limit=timedelta())
        ticks += 1
        assert ticks < 20
    assert ticks > 1
    assert latest.state == "finished"
    assert await runs(memory) == 1


async def test_a_run_is_one_line_in_the_log(
    memory: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    await memory.put(LAYOUT.content(Digest.of(GARBAGE)), GARBAGE)
    with caplog.at_level(logging.INFO, "registry_core"):
        await tick(memory)
        await tick(memory)
    [record] = [each for each in caplog.records if each.name.startswith("registry_core.maint")]
    assert "finished: condemned 1 objects, deleted 0, freed 0 bytes" in record.getMessage()


def test_a_collection_follows_the_settings() -> None:
    rules = '[[expire]]\non = ["ci/**"]\ntags = ["pr-*"]\nafter = "14d"\n'
    settings = read_settings(
        SETTINGS
        | {
            "REGISTRY_GC_GRACE": "3d",
            "REGISTRY_GC_YOUNG": "2h",
            "REGISTRY_GC_UNTAGGED": "5d",
            "REGISTRY_GC_SHARED": "false",
            "REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_AGE": "6h",
            "REGISTRY_DELETE_RETENTION": "7d",
            "REGISTRY_TAGS_IMMUTABLE": "prod/**:v*",
            "REGISTRY_RETENTION_RULES": rules,
        }
    )
    options = gc_options(settings, dry_run=True)
    assert (options.grace, options.young) == (timedelta(days=3), timedelta(hours=2))
    assert (options.untagged, options.shared) == (timedelta(days=5), False)
    assert (options.upload_age, options.trash_age) == (timedelta(hours=6), timedelta(days=7))
    assert options.immutable == settings.immutable_tags
    assert options.policy == settings.gc.retention
    assert options.dry_run
    assert gc_options(read_settings(SETTINGS)).policy == NO_POLICY


@pytest.mark.parametrize(
    "changed, recorded",
    [
        ({}, False),
        ({"REGISTRY_PULLS_RECORD": "true"}, True),
        ({"REGISTRY_GC_UNTAGGED": "5d"}, True),
        ({"REGISTRY_GC_UNTAGGED": "5d", "REGISTRY_PULLS_RECORD": "false"}, False),
        ({"REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED": "true"}, True),
    ],
)
def test_a_collection_considers_pulls_where_they_are_recorded(
    changed: dict[str, str], *, recorded: bool
) -> None:
    """A read-only registry records none, but another one with the same container may."""
    assert gc_options(read_settings(SETTINGS | changed)).pulls_recorded is recorded
