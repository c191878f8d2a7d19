"""A listing has the same rows from `start_from` on, whatever storage makes of `startFrom`."""

from __future__ import annotations

from typing import Any

import pytest

from registry_core.object_store.azure import Limits
from registry_core.object_store.azure.errors import RequestInvalid
from registry_core.object_store.errors import ContinuationInvalid, StoreUnavailable
from registry_core.object_store.interface import ObjectStore
from registry_core.storage.stored_registry import StoredRegistry
from tests.contracts.object_store import listed
from tests.support.content import push_image
from tests.support.listings import joined, pages_by_last, tags_of
from tests.support.scripted_storage import Instead, Received, ScriptedStorage
from tests.support.store_calls import opened_over

pytestmark = pytest.mark.anyio

NAMES = ["a", "a-b", "a.b", "a/1", "a/2", "b", "c/1", "c/2", "d"]
OPTIONS: dict[str, dict[str, Any]] = {
    "flat": {"start_from": "l/a/"},
    "by folder": {"start_from": "l/a/", "by_folder": True},
    "small pages": {"start_from": "l/a.b", "limit": 2},
    "beyond the end": {"start_from": "l/z"},
}
REFUSED = Instead(400, "InvalidQueryParameterValue")
NEWEST, OLDER = "2026-02-06", "2025-11-05"


def refuse_start_from(request: Received) -> Instead | None:
    return REFUSED if "startFrom" in request.query else None


@pytest.fixture
async def _rows(scripted: ScriptedStorage) -> None:
    for name in NAMES:
        await scripted.store.put(f"l/{name}", b"", metadata={"digest": name})


async def rows_from(store: ObjectStore, options: dict[str, Any]) -> list[str]:
    """Return the paths that are not before `start_from`, of all pages."""
    rows = [row.path for row in await listed(store, "l/", metadata=True, **options)]
    assert rows == sorted(rows)
    return [path for path in rows if path >= options["start_from"]]


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("version", [NEWEST, OLDER])
@pytest.mark.parametrize("refused", [False, True])
async def test_the_rows_are_the_same(
    scripted: ScriptedStorage, options: str, version: str, *, refused: bool
) -> None:
    scripted.choose = refuse_start_from if refused else lambda _: None
    async with opened_over(scripted, api_version=version) as store:
        found = await rows_from(store, OPTIONS[options])
    assert found == await rows_from(scripted.store, OPTIONS[options])
    sent = ["startFrom" in request.query for request in scripted.received]
    assert any(sent) is (version == NEWEST)
    if refused and version == NEWEST:
        assert sent[:2] == [True, False]


@pytest.mark.usefixtures("_rows")
async def test_a_refused_start_is_repeated_once_without_it_and_otherwise_the_same(
    scripted: ScriptedStorage,
) -> None:
    scripted.choose = refuse_start_from
    async with opened_over(scripted) as store:
        await store.list_page("l/", start_from="l/b", by_folder=True, metadata=True, limit=7)
    first, second = (dict(request.query) for request in scripted.received)
    assert first.pop("startFrom") == "l/b"
    assert first == second


@pytest.mark.usefixtures("_rows")
async def test_a_refusal_is_remembered(scripted: ScriptedStorage) -> None:
    scripted.choose = refuse_start_from
    async with opened_over(scripted) as store:
        pages = [await store.list_page("l/", start_from="l/b") for _ in range(2)]
    assert pages[0] == pages[1]
    assert ["startFrom" in request.query for request in scripted.received] == [True, False, False]


async def test_a_listing_that_storage_does_not_understand_at_all_fails(
    scripted: ScriptedStorage,
) -> None:
    scripted.choose = lambda _: REFUSED
    async with opened_over(scripted) as store:
        with pytest.raises(RequestInvalid, match="400 InvalidQueryParameterValue"):
            await store.list_page("l/", start_from="l/b")
    assert len(scripted.received) == 2


async def test_a_refused_continuation_is_not_repeated(scripted: ScriptedStorage) -> None:
    scripted.choose = lambda _: REFUSED
    async with opened_over(scripted) as store:
        with pytest.raises(ContinuationInvalid):
            await store.list_page("l/", continuation="nonsense")
    assert len(scripted.received) == 1


@pytest.mark.parametrize("answer", [Instead(500, "InternalError"), Instead(400)])
async def test_another_failure_is_not_taken_for_a_refused_start(
    scripted: ScriptedStorage, answer: Instead
) -> None:
    scripted.choose = lambda _: answer
    async with opened_over(scripted, limits=Limits(retries=0)) as store:
        with pytest.raises(StoreUnavailable):
            await store.list_page("l/", start_from="l/b")
    assert len(scripted.received) == 1


@pytest.mark.parametrize("way", ["understood", "refused", "unknown to the version"])
async def test_pages_of_tags_are_the_same(scripted: ScriptedStorage, way: str) -> None:
    """Tags around the "/" that ends a folder, which sorts after "-" and "."."""
    tags = ["v1", "v1-a", "v1.0", "v1_a", "v10", "w"]
    for tag in tags:
        await push_image(StoredRegistry(scripted.store), "r", tag, [b"layer"])
    scripted.choose = refuse_start_from if way == "refused" else lambda _: None
    version = OLDER if way == "unknown to the version" else NEWEST
    async with opened_over(scripted, api_version=version) as store:
        pages = await pages_by_last(tags_of(store), 2)
        assert joined(pages) == sorted(tags)
