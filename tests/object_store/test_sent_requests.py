"""What every request to storage has, and what only some have."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from registry_core.object_store.azure import Limits
from registry_core.object_store.interface import UNCONDITIONAL, if_match
from registry_core.serve.azurite import Azurite
from tests.contracts.object_store import content_of
from tests.support.azurite import create_snapshot, opened
from tests.support.scripted_storage import ScriptedStorage
from tests.support.store_calls import CALLS, METADATA, SMALL_WRITES, opened_over

pytestmark = pytest.mark.anyio

VERSIONS = ["2020-12-06", "2024-11-04", "2026-02-06", "2026-10-06"]


@pytest.mark.parametrize("call", CALLS)
async def test_storage_gives_up_a_small_write_after_a_while_and_nothing_else(
    scripted: ScriptedStorage, call: str
) -> None:
    """A request that is delayed on its way must not take effect after a later one."""
    async with opened_over(scripted, limits=Limits(small_write=17)) as store:
        await CALLS[call](store)
    [request] = scripted.received
    assert request.query.get("timeout") == ("17" if call in SMALL_WRITES else None)


@pytest.mark.parametrize("size, is_small", [(0, True), (2**16, True), (2**16 + 1, False)])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_a_write_is_small_up_to_64_kib(
    scripted: ScriptedStorage, size: int, kind: type[bytes], *, is_small: bool
) -> None:
    content = bytes(size)
    async with opened_over(scripted) as store:
        await store.put("new", kind(content))
    [request] = scripted.received
    assert ("timeout" in request.query) is is_small
    assert request.body == content


@pytest.mark.parametrize("condition", [UNCONDITIONAL, if_match('"0"')])
@pytest.mark.parametrize("call", CALLS)
async def test_only_a_deletion_includes_snapshots(
    scripted: ScriptedStorage, call: str, condition: object
) -> None:
    async with opened_over(scripted) as store:
        if call == "delete" and condition is not UNCONDITIONAL:
            await store.delete("a", condition=if_match((await store.head("a")).etag))
        else:
            await CALLS[call](store)
    request = scripted.received[-1]
    expected = "include" if call == "delete" else None
    assert request.headers.get("x-ms-delete-snapshots") == expected


@pytest.mark.parametrize("call", CALLS)
async def test_lists_are_requested_as_xml(scripted: ScriptedStorage, call: str) -> None:
    """Newer versions of the protocol know other formats."""
    async with opened_over(scripted) as store:
        await CALLS[call](store)
    [request] = scripted.received
    is_list = call in {"list_page", "committed_blocks", "uncommitted_blocks"}
    assert request.headers.get("Accept") == ("application/xml" if is_list else None)


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_version_of_the_protocol_is_that_of_the_settings_everywhere(
    scripted: ScriptedStorage, version: str
) -> None:
    async with opened_over(scripted, api_version=version, limits=Limits(copy_whole=4)) as store:
        for call in CALLS.values():
            await call(store)
            await scripted.store.put("a", b"0123456789")
        await store.copy("b", "a", size=10, metadata=METADATA)  # in ranges
        url = await store.signed_url("a", seconds=60)
    assert {request.headers["x-ms-version"] for request in scripted.received} == {version}
    sources = [request.headers.get("x-ms-copy-source") for request in scripted.received]
    signed = [url, *filter(None, sources)]
    assert len(signed) >= 4
    assert {parse_qs(urlsplit(source).query)["sv"][0] for source in signed} == {version}


@pytest.mark.parametrize("version", ["2020-12-06", "2024-11-04"])
async def test_azurite_accepts_what_an_older_version_signs(
    azurite: Azurite, container_name: str, version: str
) -> None:
    async with opened(azurite, container_name, api_version=version) as store:
        await store.put("a", b"content")
        await store.copy("b", "a", size=7, metadata=METADATA)
        assert await content_of(store, "b") == b"content"
        assert [row.path for row in (await store.list_page("", start_from="a")).entries] == [
            "a",
            "b",
        ]


async def test_a_conditional_deletion_takes_snapshots_along(
    azurite: Azurite, container_name: str
) -> None:
    async with opened(azurite, container_name) as store:
        etag = await store.put("a", b"content")
        create_snapshot(azurite, container_name, "a")
        await store.delete("a", condition=if_match(etag))
        assert (await store.list_page("")).entries == []
