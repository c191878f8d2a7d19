"""Where storage cannot read its own source, the bytes of a copy pass through the registry.

So it is for some accounts behind a private endpoint: storage answers 403 CannotVerifyCopySource.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web

from registry_core.object_store.azure import AzureBlobStore, Limits
from registry_core.object_store.errors import ConditionFailed, NotFound, StoreUnavailable
from registry_core.object_store.interface import IF_ABSENT, if_match
from registry_core.serve.azurite import Azurite
from tests.contracts.object_store import content_of, make_block_id
from tests.support.azurite import opened_at
from tests.support.denying_storage import ROLE_MISSING, SOURCE_DENIED, Denial, is_copy
from tests.support.reverse_proxy import ReverseProxy

pytestmark = pytest.mark.anyio

CONTENT = bytes(range(256)) * 5
METADATA = {"digest": "sha256:1"}
LIMITS = Limits(first_delay=0.01, copy_whole=1000, copy_piece=600, relayed_piece=500)


class IsolatedStorage(ReverseProxy):
    """Azurite, which ``denial`` keeps from reading the sources of copies."""

    def __init__(self, azurite: Azurite) -> None:
        super().__init__()
        self._azurite = azurite
        self.denial: Denial | None = SOURCE_DENIED

    async def answer(self, out: ClientSession, request: web.BaseRequest) -> web.StreamResponse:
        if self.denial is not None and is_copy(request):
            await request.read()
            return self.denial.response()
        return await self.forward(out, request, f"127.0.0.1:{self._azurite.port}")


@pytest.fixture
def calls() -> list[str]:
    return []


@pytest.fixture
async def storage(azurite: Azurite) -> AsyncIterator[IsolatedStorage]:
    with IsolatedStorage(azurite) as storage:
        yield storage


@pytest.fixture
async def store(
    storage: IsolatedStorage, container_name: str, calls: list[str]
) -> AsyncIterator[AzureBlobStore]:
    port = int(storage.authority.rpartition(":")[2])
    async with opened_at(
        port, container_name, limits=LIMITS, on_call=lambda _, operation: calls.append(operation)
    ) as store:
        await store.put("a", CONTENT)
        calls.clear()
        yield store


async def copy(store: AzureBlobStore, **options: object) -> str:
    return await store.copy("b", "a", size=len(CONTENT), metadata=METADATA, **options)  # type: ignore[arg-type] # passed on


@pytest.mark.parametrize("whole", [len(CONTENT), 1000], ids=["in one call", "in ranges"])
async def test_a_copy_has_the_content_and_the_metadata(
    storage: IsolatedStorage, container_name: str, whole: int
) -> None:
    port = int(storage.authority.rpartition(":")[2])
    limits = Limits(copy_whole=whole, copy_piece=600, relayed_piece=500)
    async with opened_at(port, container_name, limits=limits) as store:
        await store.put("a", CONTENT)
        etag = await copy(store)
        found = await store.head("b")
        assert (found.etag, found.size, found.metadata) == (etag, len(CONTENT), METADATA)
        assert await content_of(store, "b") == CONTENT


async def test_an_empty_object_is_copied(store: AzureBlobStore) -> None:
    await store.put("empty", b"")
    await store.copy("b", "empty", size=0, metadata=METADATA)
    assert await content_of(store, "b") == b""


async def test_the_conditions_hold(store: AzureBlobStore) -> None:
    etag = (await store.head("a")).etag
    await copy(store, source_etag=etag, condition=IF_ABSENT)
    with pytest.raises(ConditionFailed):
        await copy(store, condition=IF_ABSENT)
    with pytest.raises(ConditionFailed):
        await copy(store, condition=if_match(etag))
    with pytest.raises(ConditionFailed):
        await copy(store, source_etag='"0x1"')
    with pytest.raises(NotFound):
        await store.copy("b", "missing", size=700, metadata=METADATA)


async def test_each_piece_is_read_and_staged(store: AzureBlobStore, calls: list[str]) -> None:
    await copy(store)
    first, *_ = calls
    assert first == "stage_from"
    relayed = [call for call in calls if call != "stage_from"]
    assert sorted(relayed[:-1]) == ["get"] * 3 + ["stage"] * 3
    assert relayed[-1] == "commit"


async def test_storage_is_to_make_a_copy_again_after_a_while(
    storage: IsolatedStorage,
    store: AzureBlobStore,
    calls: list[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(store._copier, "_monotonic", lambda: now[0])
    monkeypatch.setattr(store._copier, "_relays_until", 0.0)
    with caplog.at_level(logging.WARNING):
        await copy(store)
        calls.clear()
        await copy(store)
        assert "stage_from" not in calls
        assert caplog.text.count("copies pass through the registry") == 1
    now[0] = 3600.0
    storage.denial = None
    calls.clear()
    await copy(store)
    assert calls == ["stage_from"] * 3 + ["commit"]


async def test_a_block_from_another_object_is_read_and_staged(
    store: AzureBlobStore, calls: list[str]
) -> None:
    """As a PATCH does that continues an upload whose first part was put whole."""
    await store.put("small", CONTENT[:500])
    calls.clear()
    await store.stage_from("b", make_block_id("1"), "small")
    await store.stage_from("b", make_block_id("2"), "a", offset=500, length=300)
    assert calls == ["stage_from", "get", "stage", "get", "stage"]
    await store.commit("b", [make_block_id("1"), make_block_id("2")])
    assert await content_of(store, "b") == CONTENT[:800]


async def test_a_block_from_another_version_or_of_no_object_is_not_staged(
    store: AzureBlobStore,
) -> None:
    with pytest.raises(ConditionFailed):
        await store.stage_from("b", make_block_id("1"), "a", source_etag='"0x1"')
    with pytest.raises(NotFound):
        await store.stage_from("b", make_block_id("1"), "missing")


@pytest.mark.parametrize(
    "part", [{}, {"offset": 0, "length": 2000}, {"offset": 1000, "length": 500}]
)
async def test_a_block_that_is_too_large_or_not_all_there_is_not_staged(
    store: AzureBlobStore, part: dict[str, int]
) -> None:
    with pytest.raises(StoreUnavailable, match="stage_from a: "):
        await store.stage_from("b", make_block_id("1"), "a", **part)  # type: ignore[arg-type] # no text
    with pytest.raises(NotFound):
        await store.uncommitted_blocks("b")


async def test_another_denial_is_an_error(
    storage: IsolatedStorage, store: AzureBlobStore, calls: list[str]
) -> None:
    storage.denial = ROLE_MISSING
    with pytest.raises(StoreUnavailable, match="403"):
        await copy(store)
    with pytest.raises(StoreUnavailable, match="403"):
        await store.stage_from("b", make_block_id("1"), "a")
    assert "get" not in calls
