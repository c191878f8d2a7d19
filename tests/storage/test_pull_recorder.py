"""What is pulled from an instance is recorded in memory, and written now and then, beside requests.

Waits pass at once: the loop's clock jumps over them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from registry_core.object_store.errors import StoreUnavailable
from registry_core.object_store.interface import UNCONDITIONAL, Buffer, Condition
from registry_core.object_store.memory import MemoryStore
from registry_core.observe import Activity, count_storage_call, observed, storage_slot
from registry_core.spec.digest import Digest
from registry_core.spec.errors import ManifestUnknown
from registry_core.storage.layout import Layout
from registry_core.storage.pull_recorder import PullRecorder, RecordsPulls
from registry_core.storage.pulls import DAY, decode_pulls
from registry_core.storage.stored_registry import StoredRegistry
from tests.crash.loop import QuietLoop
from tests.support.clock import Clock
from tests.support.content import image_manifest, push_image
from tests.support.counting import CountingStore

T = TypeVar("T")
LAYER = b"a layer"
DIGEST = Digest.of(image_manifest(LAYER))
OTHER = Digest.of(b"another manifest")
NOON = 20_000 * DAY + 43_200.0
"""2024-10-04."""
SOON, INTERVAL = 5, 300


@dataclass
class Instance:
    """An instance of a registry, and what it writes: ``records`` by path."""

    loop: QuietLoop
    memory: MemoryStore = field(default_factory=MemoryStore)
    clock: Clock = field(default_factory=lambda: Clock(NOON))
    most: int = 50_000

    def __post_init__(self) -> None:
        self.store = CountingStore(self.memory)
        self.recorder = PullRecorder(self.store, Layout(), now=self.clock, most=self.most)
        self.stored = StoredRegistry(CountingStore(self.memory))
        self.registry = RecordsPulls(self.stored, self.recorder)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(coroutine)

    def pull(self, *tags: str, repository: str = "a/b") -> None:
        """Pull something by tags, without a look into storage."""

        async def record() -> None:
            for tag in tags:
                self.recorder.record(repository, tag, DIGEST)

        self.run(record())

    def wait(self, seconds: float) -> None:
        self.clock.pass_by(seconds)
        self.run(asyncio.sleep(seconds))

    def days(self) -> list[str]:
        return sorted(path.split("/")[-2] for path in self.memory.objects if "_pulls/" in path)

    def recorded(self) -> dict[str, dict[str, int]]:
        """Return everything that was written, of all days."""
        found: dict[str, dict[str, int]] = {}
        for path, record in self.memory.objects.items():
            if "_pulls/" in path:
                for repository, references in decode_pulls(record.content)[1]:
                    found.setdefault(repository, {}).update(references)
        return found


Start = Callable[..., Instance]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start instances on a loop whose waits pass at once."""
    loop = QuietLoop()
    try:
        yield lambda **options: Instance(loop, **options)
        assert loop.reports == []
    finally:
        loop.close()


def test_pulls_by_tag_and_by_digest_are_recorded_by_get_and_by_head(start: Start) -> None:
    """A pull by tag is one of the manifest, too."""
    instance = start()
    noon = int(NOON)
    instance.run(push_image(instance.stored, "a/b", "v1", [LAYER]))
    instance.run(push_image(instance.stored, "c", "v1", [LAYER]))
    instance.run(instance.registry.for_caller("alice").get_manifest("a/b", "v1"))
    instance.run(instance.registry.resolve_manifest("c", DIGEST))
    instance.wait(SOON)
    assert instance.recorded() == {
        "a/b": {"v1": noon, str(DIGEST): noon},
        "c": {str(DIGEST): noon},
    }
    assert instance.days() == ["2024-10-04"]


def test_what_is_not_there_was_not_pulled(start: Start) -> None:
    instance = start()
    for reference in ("v1", DIGEST):
        with pytest.raises(ManifestUnknown):
            instance.run(instance.registry.get_manifest("a/b", reference))
        with pytest.raises(ManifestUnknown):
            instance.run(instance.registry.resolve_manifest("a/b", reference))
    instance.wait(DAY)
    assert instance.store.calls == []


def test_a_pull_makes_no_call_for_its_record(start: Start) -> None:
    instance = start()
    instance.run(push_image(instance.stored, "a/b", "v1", [LAYER]))
    instance.run(instance.registry.get_manifest("a/b", "v1"))
    assert instance.store.calls == []


def test_the_write_is_not_counted_as_the_work_of_the_request_that_caused_it(start: Start) -> None:
    """It takes none of the calls that a request may have under way, either."""
    seen: list[AbstractAsyncContextManager[None]] = []

    class Store(MemoryStore):
        async def put(self, *args: Any, **options: Any) -> str:
            count_storage_call()
            seen.append(storage_slot())
            return await super().put(*args, **options)

    instance = start(memory=Store())
    activity = Activity()
    with observed(activity):
        instance.pull("v1")
    instance.wait(SOON)
    assert seen
    assert activity.slots not in seen
    assert activity.storage_calls == 0


def test_the_first_pull_is_written_within_seconds(start: Start) -> None:
    instance = start()
    instance.pull("v1")
    instance.wait(SOON - 1)
    assert instance.store.calls == []
    instance.wait(1)
    assert instance.store.take() == ["put"]


def test_what_is_in_the_record_of_the_day_is_not_written_again(start: Start) -> None:
    instance = start()
    for _ in range(10):
        instance.pull("v1")
        instance.wait(INTERVAL)
    assert instance.store.take() == ["put"]


def test_the_time_to_the_next_write_doubles_up_to_five_minutes(start: Start) -> None:
    """Azure Functions kills an instance minutes after its last request, without a word.

    What a nightly job pulls a minute after its beginning is recorded even so.
    """
    instance = start()
    for number, seconds in enumerate((5, 10, 20, 40, 80, 160, 300, 300)):
        instance.pull(f"v{number}")
        instance.wait(seconds - 1)
        assert instance.store.take() == []
        instance.pull(f"w{number}")
        instance.wait(1)
        assert instance.store.take() == ["put"]
    assert len(instance.recorded()["a/b"]) == 17
    assert instance.days() == ["2024-10-04"]


def test_an_instance_without_anything_to_write_runs_nothing(start: Start) -> None:
    instance = start()
    for tag in ("v1", "v2"):
        instance.pull(tag)
        instance.wait(INTERVAL)
        assert asyncio.all_tasks(instance.loop) == set()


def test_each_day_has_a_record_of_its_own(start: Start) -> None:
    """What was pulled before midnight and is written after it belongs to the day before."""
    instance = start()
    instance.pull("v1")
    instance.wait(SOON)
    instance.pull("v2")
    instance.clock.time = float(20_001 * DAY)
    instance.pull("v1")
    instance.wait(INTERVAL)
    assert instance.days() == ["2024-10-04", "2024-10-05"]
    assert instance.recorded()["a/b"]["v1"] == 20_001 * DAY
    assert instance.recorded()["a/b"]["v2"] == NOON + SOON


def test_a_day_that_begins_while_the_one_before_is_being_written_loses_nothing(
    start: Start,
) -> None:
    """Storage fails just then."""
    instance = start(memory=Failing(failures=1))
    instance.pull("v1")

    async def at_midnight() -> None:
        await asyncio.sleep(SOON + 1)
        assert instance.store.calls
        instance.clock.time = float(20_001 * DAY)
        instance.recorder.record("a/b", "v2", DIGEST)

    instance.run(at_midnight())
    instance.wait(2 * INTERVAL)
    assert instance.days() == ["2024-10-04", "2024-10-05"]


def test_what_is_pulled_while_the_record_is_being_written_is_written_next(start: Start) -> None:
    instance = start(memory=Failing())
    instance.pull("v1")
    instance.wait(SOON + 1)
    assert instance.store.calls
    instance.pull("v2")
    instance.wait(INTERVAL + 2)
    assert set(instance.recorded()["a/b"]) == {"v1", "v2", str(DIGEST)}


def test_of_two_days_only_the_one_that_could_not_be_written_is_written_again(
    start: Start,
) -> None:
    instance = start(memory=Failing(failures=1, failing="2024-10-05"))
    instance.pull("v1")
    instance.clock.time = float(20_001 * DAY)
    instance.pull("v1")
    instance.wait(2 * INTERVAL)
    days = [path.split("/")[-2] for _, path in instance.store.calls]
    assert days == ["2024-10-04", "2024-10-05", "2024-10-05"]
    assert instance.days() == ["2024-10-04", "2024-10-05"]


def test_a_clock_that_is_set_back_over_midnight_loses_nothing(start: Start) -> None:
    instance = start()
    for day, tag in ((20_000, "v1"), (20_001, "v2"), (20_000, "v3")):
        instance.clock.time = float(day * DAY)
        instance.pull(tag)
        instance.wait(INTERVAL)
    assert set(instance.recorded()["a/b"]) == {"v1", "v2", "v3", str(DIGEST)}


def test_more_than_fits_into_memory_goes_to_further_records(start: Start) -> None:
    instance = start(most=10)
    tags = [f"v{number}" for number in range(40)]
    for tag in tags:
        instance.pull(tag)
        instance.wait(INTERVAL)
    assert set(instance.recorded()["a/b"]) == {*tags, str(DIGEST)}
    assert len(instance.days()) > 3
    assert sum(len(day.pulls) for day in instance.recorder._days.values()) <= 10


def test_a_memory_that_fills_is_written_early(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """So one caller who pulls a lot does not push out what others have pulled."""
    instance = start(most=20)
    instance.pull("v1")
    instance.wait(20 * INTERVAL)
    tags = [f"v{number}" for number in range(100)]
    for tag in tags:
        instance.pull(tag)
        instance.wait(1)
    instance.wait(INTERVAL)
    assert set(instance.recorded()["a/b"]) == {*tags, str(DIGEST)}
    assert caplog.records == []


def test_of_too_many_pulls_between_two_writes_the_oldest_are_dropped_and_the_log_says_so(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    instance = start(most=10)
    instance.pull(*(f"v{number}" for number in range(20)))
    instance.wait(SOON)
    assert set(instance.recorded()["a/b"]) == {*(f"v{n}" for n in range(11, 20)), str(DIGEST)}
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "some of these pulls of 2024-10-04 are not recorded" in caplog.text


@dataclass
class Failing(MemoryStore):
    """A store whose puts take 2 seconds, and the first ``failures`` of a day fail.

    ``failing`` is a part of that day's paths, "" for every day. What fails is kept in ``late``.
    """

    failures: int = 0
    failing: str = ""
    late: list[tuple[str, bytes, Condition]] = field(default_factory=list)

    async def put(
        self,
        path: str,
        content: Buffer,
        *,
        metadata: Mapping[str, str] | None = None,
        condition: Condition = UNCONDITIONAL,
    ) -> str:
        await asyncio.sleep(2)
        if self.failures and self.failing in path:
            self.failures -= 1
            self.late.append((path, bytes(content), condition))
            raise StoreUnavailable("storage does not answer")
        return await super().put(path, content, metadata=metadata, condition=condition)


def test_a_failure_is_logged_once_and_made_good_by_a_later_write(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    instance = start(memory=Failing(failures=3))
    instance.pull("v1")
    instance.wait(SOON)
    instance.wait(4 * (INTERVAL + 2))
    assert set(instance.recorded()["a/b"]) == {"v1", str(DIGEST)}
    assert instance.store.take() == ["put"] * 4
    assert [record.getMessage() for record in caplog.records] == [
        "could not record what was pulled; trying again: storage does not answer"
    ]


def test_a_write_that_storage_performs_late_undoes_no_newer_one(start: Start) -> None:
    memory = Failing(failures=1)
    instance = start(memory=memory)
    instance.pull("v1")
    instance.wait(SOON + 2)
    instance.pull("v2")
    instance.wait(INTERVAL + 2)
    (path, content, condition), *_ = memory.late
    with pytest.raises(Exception, match=path):
        instance.run(MemoryStore.put(memory, path, content, condition=condition))
    assert set(instance.recorded()["a/b"]) == {"v1", "v2", str(DIGEST)}


def test_a_write_whose_answer_was_lost_is_written_over(start: Start) -> None:
    memory = Failing(failures=1)
    instance = start(memory=memory)
    instance.pull("v1")
    instance.wait(SOON + 2)
    (path, content, condition), *_ = memory.late
    instance.run(MemoryStore.put(memory, path, content, condition=condition))
    instance.pull("v2")
    instance.wait(INTERVAL + 2)
    assert set(instance.recorded()["a/b"]) == {"v1", "v2", str(DIGEST)}
    assert instance.store.take() == ["put", "put", "head", "put"]


def test_an_instance_that_is_stopped_writes_at_once(start: Start) -> None:
    instance = start()
    instance.pull("v1")
    instance.run(instance.recorder.close())
    assert set(instance.recorded()["a/b"]) == {"v1", str(DIGEST)}
    assert instance.loop.time() == 0
    assert asyncio.all_tasks(instance.loop) == set()


def test_a_stopped_instance_without_pulls_makes_no_call(start: Start) -> None:
    instance = start()
    instance.run(instance.recorder.close())
    assert instance.store.calls == []


def test_an_instance_that_is_stopped_while_it_writes_finishes_that(start: Start) -> None:
    instance = start(memory=Failing())
    instance.pull("v1")
    instance.wait(SOON + 1)
    instance.run(instance.recorder.close())
    assert set(instance.recorded()["a/b"]) == {"v1", str(DIGEST)}


def test_storage_that_does_not_answer_delays_the_stop_by_seconds_only(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    instance = start()

    async def hang(*_: object, **__: object) -> str:
        await asyncio.sleep(1000)
        raise AssertionError

    instance.memory.put = hang  # type: ignore[method-assign]
    instance.pull("v1")
    instance.run(instance.recorder.close())
    assert instance.loop.time() == 10
    assert "did not take the last record" in caplog.text
    assert asyncio.all_tasks(instance.loop) == set()
