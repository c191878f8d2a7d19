"""The records of what was pulled are merged into a summary, and lose nothing on the way."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from registry_core.object_store.errors import StoreUnavailable
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import SHA512, Digest
from registry_core.storage.layout import Layout
from registry_core.storage.pulls import (
    DAY,
    KEPT_DAYS,
    PullsUnreadable,
    decode_pulls,
    encode_pulls,
    merge_pulls,
)
from tests.support.counting import CountingStore

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
DIGEST = Digest.of(b"a manifest")
TODAY = 20_000
NOW = TODAY * DAY + 43_200.0
BEGAN = (TODAY - 100) * DAY
PULLED = int(NOW) - 2 * DAY


def day_name(day: int) -> str:
    return datetime.fromtimestamp(day * DAY, UTC).date().isoformat()


async def put_record(
    store: MemoryStore | CountingStore,
    day: int,
    instance: str,
    repository: str = "a/b",
    **pulls: int,
) -> str:
    """Write an instance's record of a day; ``pulls`` are tags, by Unix time."""
    path = LAYOUT.pulls_of(day_name(day), instance)
    await store.put(path, encode_pulls({repository: pulls}))
    return path


@pytest.fixture
async def store() -> CountingStore:
    """A store with an empty summary: pulls are known from long ago on."""
    store = CountingStore(MemoryStore())
    await store.put(LAYOUT.pulls_summary, encode_pulls({}, since=BEGAN))
    store.take()
    return store


def test_a_record_has_a_line_for_each_thousand_references() -> None:
    """Tags and digests of both algorithms, of several repositories."""
    long = str(Digest.of(b"a manifest", SHA512))
    pulls = {
        "a/b": {f"v{number}": int(NOW) + number for number in range(2500)},
        "c": {long: 1, str(DIGEST): 2},
    }
    content = encode_pulls(pulls, since=5)
    lines = gzip.decompress(content).splitlines()
    assert json.loads(lines[0]) == {"version": 1, "since": 5}
    assert [len(json.loads(line)[1]) for line in lines[1:]] == [1000, 1000, 500, 2]
    header, found = decode_pulls(content)
    read: dict[str, dict[str, int]] = {}
    for repository, references in found:
        read.setdefault(repository, {}).update(references)
    assert (header, read) == ({"version": 1, "since": 5}, pulls)


async def test_the_latest_pull_of_all_instances_and_days_counts(store: CountingStore) -> None:
    times = [(TODAY - day) * DAY + 1000 for day in range(5)]
    await put_record(store, TODAY - 4, "one", v1=times[4], v2=times[4])
    await put_record(store, TODAY - 2, "one", v1=times[2])
    await put_record(store, TODAY - 2, "two", v1=times[2] - 1)
    await put_record(store, TODAY - 3, "another", v1=times[3], v3=times[3])
    await put_record(store, TODAY, "another", "c", v1=times[0])
    for _ in range(2):  # the second time, from the summary
        summary = await merge_pulls(store, LAYOUT, now=NOW)
        assert [summary.tag("a/b", tag) for tag in ("v1", "v2", "v3")] == [
            times[2],
            times[4],
            times[3],
        ]
        assert summary.tag("c", "v1") == times[0]


async def test_a_manifest_is_found_by_its_digest(store: CountingStore) -> None:
    path = LAYOUT.pulls_of(day_name(TODAY), "one")
    await store.put(path, encode_pulls({"a/b": {str(DIGEST): int(NOW)}}))
    summary = await merge_pulls(store, LAYOUT, now=NOW)
    assert summary.manifest("a/b", DIGEST) == NOW
    assert summary.manifest("c", DIGEST) == BEGAN


async def test_days_that_have_passed_are_merged_and_the_current_one_stays(
    store: CountingStore,
) -> None:
    await put_record(store, TODAY - 1, "one", v1=PULLED)
    await put_record(store, TODAY - 1, "another", v1=PULLED)
    current = await put_record(store, TODAY, "one", v1=PULLED)
    store.take()
    await merge_pulls(store, LAYOUT, now=NOW)
    assert store.take() == ["list_page", *["get"] * 4, "put", "delete", "delete"]
    await merge_pulls(store, LAYOUT, now=NOW)
    assert store.take() == ["list_page", *["get"] * 2]  # nothing to write
    memory = store.inner
    assert isinstance(memory, MemoryStore)
    assert memory.objects.keys() == {current, LAYOUT.pulls_summary}


async def test_a_preview_changes_nothing(store: CountingStore) -> None:
    await put_record(store, TODAY - 1, "one", v1=int(NOW))
    store.take()
    summary = await merge_pulls(store, LAYOUT, now=NOW, write=False)
    assert summary.tag("a/b", "v1") == NOW
    assert store.take() == ["list_page", "get", "get"]


async def test_a_record_that_is_written_again_while_it_is_merged_stays() -> None:
    """An instance whose clock is behind."""

    class Meeting(MemoryStore):
        async def put(self, path: str, *args: object, **options: object) -> str:
            if path == LAYOUT.pulls_summary:
                instance = MemoryStore(self.objects, _versions=self._versions)
                await put_record(instance, TODAY - 1, "one", v1=PULLED, v2=PULLED)
            return await super().put(path, *args, **options)  # type: ignore[arg-type]

    store = Meeting()
    await put_record(store, TODAY - 1, "one", v1=PULLED)
    await merge_pulls(store, LAYOUT, now=NOW)
    summary = await merge_pulls(MemoryStore(store.objects), LAYOUT, now=NOW)
    assert summary.pulls["a/b"] == {"v1": PULLED, "v2": PULLED}


async def test_pulls_are_forgotten_after_400_days(store: CountingStore) -> None:
    oldest = int(NOW) - KEPT_DAYS * DAY
    await put_record(store, TODAY - 1, "one", v1=oldest, v2=oldest - 1)
    await put_record(store, TODAY - 1, "another", "c", v1=int(NOW))
    await merge_pulls(store, LAYOUT, now=NOW)
    later = await merge_pulls(store, LAYOUT, now=NOW)
    assert {name: dict(refs) for name, refs in later.pulls.items()} == {
        "a/b": {"v1": oldest},
        "c": {"v1": int(NOW)},
    }


async def test_a_clock_in_the_future_keeps_nothing_for_ever(store: CountingStore) -> None:
    await put_record(store, TODAY - 1, "one", v1=int(NOW) + 10_000 * DAY)
    assert (await merge_pulls(store, LAYOUT, now=NOW)).tag("a/b", "v1") == NOW


async def test_everything_counts_as_pulled_when_the_records_begin() -> None:
    """Otherwise what is pulled each day would pass for never pulled on the first day."""
    store = MemoryStore()
    first = await merge_pulls(store, LAYOUT, now=NOW)
    later = await merge_pulls(store, LAYOUT, now=NOW + 50 * DAY)
    assert first.tag("a/b", "v1") == later.tag("a/b", "v1") == later.since == NOW


async def test_what_is_forgotten_may_have_been_pulled() -> None:
    """Otherwise something that is pulled every two years would go before its time."""
    store = MemoryStore()
    await merge_pulls(store, LAYOUT, now=NOW - 1000 * DAY)
    summary = await merge_pulls(store, LAYOUT, now=NOW)
    assert summary.tag("a/b", "v1") == NOW - KEPT_DAYS * DAY


async def test_records_that_precede_the_first_merge_say_when_they_began() -> None:
    """What was pulled on the first day was recorded for a part of it only."""
    store = MemoryStore()
    await put_record(store, TODAY - 30, "one", v1=(TODAY - 30) * DAY + 60)
    await put_record(store, TODAY - 10, "one", v1=(TODAY - 10) * DAY)
    summary = await merge_pulls(store, LAYOUT, now=NOW)
    assert summary.tag("a/b", "v1") == (TODAY - 10) * DAY
    assert summary.tag("a/b", "never pulled") == (TODAY - 29) * DAY


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not gzip",
        encode_pulls({"a/b": {"v1": 7}})[:-9],
        gzip.compress(b"not JSON\n"),
        gzip.compress(b'{"version":2}\n'),
        gzip.compress(b"[]\n"),
        gzip.compress(b'{"version":1}\n["a/b"]\n'),
        gzip.compress(b'{"version":1}\n["a/b",{"v1":"today"}]\n'),
        gzip.compress(b'{"version":1}\n' + b" " * 2**21),
        gzip.compress(b"[" * 100_000),
    ],
    ids=[
        *("empty", "not gzip", "cut off", "not JSON", "version", "no header"),
        *("no pulls", "no time", "long line", "deep"),
    ],
)
@pytest.mark.parametrize("place", ["record", "summary"])
async def test_a_damaged_record_is_reported_skipped_and_kept(
    store: CountingStore, content: bytes, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it may have said, nothing counts as pulled earlier than it was written."""
    path = {
        "record": LAYOUT.pulls_of(day_name(TODAY - 1), "two"),
        "summary": LAYOUT.pulls_summary,
    }[place]
    await store.put(path, content)
    written = (await store.head(path)).last_modified.timestamp()
    now = written + 10 * DAY
    other = await put_record(store, TODAY - 1, "one", v2=int(now))
    summary = await merge_pulls(store, LAYOUT, now=now)
    assert summary.damaged == (path,)
    assert summary.since == summary.tag("a/b", "v9") == written
    assert summary.tag("a/b", "v2") == int(now)
    assert f"{path} cannot be read" in caplog.text
    assert (await store.get(path, limit=2**30)).content == content
    memory = store.inner
    assert isinstance(memory, MemoryStore)
    # Into a damaged summary, nothing is merged.
    assert (other in memory.objects) is (place == "summary")


async def test_a_record_that_is_too_large_is_damaged(store: CountingStore) -> None:
    path = LAYOUT.pulls_of(day_name(TODAY - 1), "two")
    await store.put(path, bytes(17 * 2**20))
    assert (await merge_pulls(store, LAYOUT, now=NOW)).damaged == (path,)


def test_what_is_no_record_is_refused() -> None:
    with pytest.raises(PullsUnreadable, match="of another version"):
        decode_pulls(gzip.compress(b'{"version":2}\n'))


@dataclass
class Contested(MemoryStore):
    """A store in which another merge writes the summary first, ``times`` times."""

    times: int = 1

    async def put(self, path: str, *args: object, **options: object) -> str:
        if path == LAYOUT.pulls_summary and self.times:
            self.times -= 1
            await MemoryStore(self.objects, _versions=self._versions).put(
                path, encode_pulls({"c": {"v1": PULLED - 1}}, since=BEGAN)
            )
        return await super().put(path, *args, **options)  # type: ignore[arg-type]


async def test_of_merges_at_the_same_time_none_undoes_another() -> None:
    store = Contested()
    await put_record(store, TODAY - 1, "one", v1=PULLED)
    summary = await merge_pulls(store, LAYOUT, now=NOW)
    assert {**summary.pulls} == {"a/b": {"v1": PULLED}, "c": {"v1": PULLED - 1}}


async def test_a_summary_that_others_write_again_and_again_is_left_to_them() -> None:
    store = Contested(times=100)
    record = await put_record(store, TODAY - 1, "one", v1=PULLED)
    with pytest.raises(StoreUnavailable, match="again and again"):
        await merge_pulls(store, LAYOUT, now=NOW)
    assert record in store.objects
