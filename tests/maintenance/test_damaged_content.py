"""Damaged content is found, and moved away, so that pushes write it anew."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from registry_core.maintenance.doctor import Problem
from registry_core.maintenance.doctor import content as content_checks
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.storage.layout import Layout
from registry_core.storage.layout_parse import Kind, parse_path
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import image_manifest, push_blob, push_image, random_bytes, read_blob
from tests.support.counting import CountingStore

from .examining import examine_store, expect_problems, expect_repaired

pytestmark = pytest.mark.anyio

LAYOUT = Layout()
LARGE = random_bytes(9 * 2**20)
DAMAGED = bytes(1) + LARGE[1:]
BLOB = Digest.of(LARGE)
CONTENT = LAYOUT.content(BLOB)
REFERENCED = (Problem.BLOB_DANGLING, Problem.BLOB_MISSING)


@pytest.fixture(autouse=True)
async def image(registry: StoredRegistry) -> None:
    await push_image(registry, "a", "v1", [LARGE])


async def damage(memory: MemoryStore, part: bytes = DAMAGED, *, is_append: bool = False) -> None:
    memory.objects.pop(CONTENT)
    if is_append:
        await memory.append(CONTENT, part)
    else:
        await memory.put(CONTENT, part)


def quarantined(memory: MemoryStore) -> list[bytes]:
    return [
        found.content
        for path, found in memory.objects.items()
        if parse_path(path).kind is Kind.QUARANTINED
    ]


@pytest.mark.parametrize("is_append", [False, True])
async def test_damaged_content_is_moved_away_and_the_next_push_writes_it_anew(
    memory: MemoryStore, monkeypatch: pytest.MonkeyPatch, *, is_append: bool
) -> None:
    """Of a blob that is too large for a push to compare."""
    monkeypatch.setattr(content_checks, "_PIECE", 2**20)
    await damage(memory, is_append=is_append)
    await expect_problems(memory, Problem.CONTENT_DAMAGED, verify=True)
    report = await examine_store(memory, verify=True, repair=True)
    assert report.repaired == {Problem.CONTENT_DAMAGED: 1, Problem.BLOB_DANGLING: 1}
    assert quarantined(memory) == [DAMAGED]
    assert CONTENT not in memory.objects
    await push_blob(StoredRegistry(memory), "a", LARGE)
    assert await read_blob(StoredRegistry(memory), "a", BLOB) == LARGE
    report = await expect_problems(memory, verify=True)
    assert report.objects[Kind.QUARANTINED].bytes == len(DAMAGED)


async def test_what_needs_damaged_content_is_reported_once_it_is_moved_away(
    memory: MemoryStore,
) -> None:
    """In the same run and in the next: the container is not healthy before the blob is pushed."""
    await damage(memory)
    report = await examine_store(memory, verify=True, repair=True)
    assert report.found == dict.fromkeys((Problem.CONTENT_DAMAGED, *REFERENCED), 1)
    assert report.remaining == 1
    await expect_problems(memory, Problem.BLOB_MISSING)


async def test_a_damaged_manifest_is_moved_away_without_verify_too(
    memory: MemoryStore,
) -> None:
    digest = Digest.of(image_manifest(LARGE))
    await memory.put(LAYOUT.content(digest), b"damaged")
    await expect_problems(memory, Problem.CONTENT_DAMAGED)
    report = await examine_store(memory, repair=True)
    assert report.found == {Problem.CONTENT_DAMAGED: 1, Problem.MANIFEST_DANGLING: 1}
    assert report.remaining == 1
    assert quarantined(memory) == [b"damaged"]
    await expect_problems(memory, Problem.TAG_DANGLING)
    await push_image(StoredRegistry(memory), "a", "v1", [LARGE])
    await expect_problems(memory)


@pytest.mark.parametrize("is_append", [False, True])
async def test_emptied_content_is_found_without_reading(
    memory: MemoryStore, *, is_append: bool
) -> None:
    """As a writer leaves it that is cut off between two steps."""
    await damage(memory, b"", is_append=is_append)
    store = CountingStore(memory)
    report = await examine_store(store)
    assert report.found == {Problem.CONTENT_DAMAGED: 1}
    assert ("get_range", CONTENT) not in store.calls
    report = await examine_store(memory, repair=True)
    assert report.found == dict.fromkeys((Problem.CONTENT_DAMAGED, *REFERENCED), 1)
    assert (report.remaining, quarantined(memory)) == (1, [b""])


@pytest.mark.parametrize("part", [b"", LARGE[:-1]])
@pytest.mark.parametrize("verify", [False, True])
async def test_content_that_another_registry_may_be_writing_is_not_judged(
    memory: MemoryStore, part: bytes, *, verify: bool
) -> None:
    await damage(memory, part, is_append=True)
    grace = timedelta(hours=1)
    report = await examine_store(memory, grace=grace, verify=verify, repair=True)
    assert not report.found
    assert memory.objects[CONTENT].content == part
    await damage(memory, LARGE[:-1])  # whole blobs are written at once
    assert (await examine_store(memory, grace=grace)).found == {Problem.CONTENT_DAMAGED: 1}


async def test_an_empty_blob_is_not_damaged(memory: MemoryStore, registry: StoredRegistry) -> None:
    await push_blob(registry, "a", b"")
    await expect_problems(memory, verify=True)


async def test_truncated_content_is_found_without_verify(memory: MemoryStore) -> None:
    """By the size that the link says."""
    await damage(memory, LARGE[:-1])
    await expect_problems(memory, Problem.CONTENT_DAMAGED)
    report = await examine_store(memory, repair=True)
    assert report.found == dict.fromkeys((Problem.CONTENT_DAMAGED, *REFERENCED), 1)
    assert report.remaining == 1


@pytest.mark.parametrize("method", ["copy", "delete"])
async def test_content_that_is_replaced_meanwhile_stays(memory: MemoryStore, method: str) -> None:
    """Whether before it is copied, or before it is deleted."""

    class Replaced(CountingStore):
        def __getattribute__(self, name: str) -> Any:
            found = super().__getattribute__(name)
            if name != method:
                return found

            async def call(path: str, *arguments: Any, **options: Any) -> Any:
                if CONTENT in (path, *arguments):
                    await memory.put(CONTENT, LARGE)
                return await found(path, *arguments, **options)

            return call

    await damage(memory)
    report = await examine_store(Replaced(memory), verify=True, repair=True)
    assert (report.found, report.remaining) == ({Problem.CONTENT_DAMAGED: 1}, 1)
    assert memory.objects[CONTENT].content == LARGE
    assert quarantined(memory) == ([] if method == "copy" else [DAMAGED])
    await expect_problems(memory, verify=True)


@pytest.mark.parametrize("content, verify", [(b"something else", True), (b"", False)])
async def test_unreferenced_damaged_content_is_moved_away_and_then_healthy(
    memory: MemoryStore, content: bytes, *, verify: bool
) -> None:
    await memory.put(LAYOUT.content(Digest.of(b"nothing names it")), content)
    report = await expect_repaired(memory, Problem.CONTENT_DAMAGED, verify=verify)
    assert report.unreferenced.number == 0


async def test_emptied_content_of_a_link_that_says_no_size_is_found(memory: MemoryStore) -> None:
    """As CNCF distribution writes links."""
    await memory.put(LAYOUT.blob_link("a", BLOB), str(BLOB).encode())
    await damage(memory, b"")
    await expect_problems(memory, Problem.CONTENT_DAMAGED)


async def test_a_manifest_in_the_place_of_another_is_not_linked(memory: MemoryStore) -> None:
    digest = Digest.of(image_manifest(LARGE))
    await memory.delete(LAYOUT.revision_link("a", digest))
    await memory.put(LAYOUT.content(digest), image_manifest())
    report = await examine_store(memory, repair=True)
    assert report.found[Problem.TAG_UNLINKED] == 1
    assert report.repaired == {Problem.CONTENT_DAMAGED: 1}


async def test_part_of_the_content_is_verified_by_the_beginning_of_its_digest(
    memory: MemoryStore,
) -> None:
    """Sixteen runs verify all of it."""
    await damage(memory)
    beginning = str(BLOB)[: len("sha256:0")]
    report = await expect_problems(
        memory, Problem.CONTENT_DAMAGED, verify=True, verify_prefix=beginning
    )
    assert report.verified is not None
    assert report.verified.number < 3
    other = "sha256:0" if beginning != "sha256:0" else "sha256:1"
    await expect_problems(memory, verify=True, verify_prefix=other)


async def test_damaged_content_is_read_twice_and_whole_content_once(memory: MemoryStore) -> None:
    """8 MiB with each call."""
    await damage(memory)
    store = CountingStore(memory)
    await examine_store(store, verify=True)
    calls = [method for method, path in store.calls if path == CONTENT]
    assert sorted(calls) == ["get_range"] * 4 + ["head", "uncommitted_blocks"]
