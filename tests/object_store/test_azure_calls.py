"""The requests that the Azure store sends: how many, with which headers and signed URLs."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from aiohttp import ClientSession, web

from registry_core.object_store.azure import AzureBlobStore, Limits
from registry_core.object_store.interface import UNCONDITIONAL
from registry_core.serve.azurite import Azurite
from tests.contracts.object_store import CONTENT, content_of, make_block_id, stage
from tests.support.azurite import opened, opened_at
from tests.support.reverse_proxy import ReverseProxy

pytestmark = pytest.mark.anyio

Calls = list[tuple[str, str]]
LARGE = bytes(range(256)) * 4096 * 3  # 3 MiB


@pytest.fixture
def calls() -> Calls:
    """Every HTTP request sent."""
    return []


@pytest.fixture
async def store(
    azurite: Azurite, container_name: str, calls: Calls
) -> AsyncIterator[AzureBlobStore]:
    async with opened(
        azurite,
        container_name,
        limits=Limits(copy_whole=4, copy_piece=4),
        on_call=lambda method, operation: calls.append((method, operation)),
    ) as store:
        yield store


async def _fill(store: AzureBlobStore) -> None:
    await store.put("a", CONTENT)
    await store.put("empty", b"")
    await stage(store, "blocks", "1", CONTENT)
    await store.commit("blocks", [make_block_id("1")])
    await stage(store, "staged", "1", CONTENT)


MD5 = hashlib.md5(CONTENT).digest()
ONE_CALL: dict[str, tuple[str, str, Callable[[AzureBlobStore], Awaitable[Any]]]] = {
    "head": ("HEAD", "head", lambda s: s.head("a")),
    "get": ("GET", "get", lambda s: s.get("a", limit=10)),
    "get a range": ("GET", "get", lambda s: s.get_range("a", 2, 3)),
    "get beyond the end": ("GET", "get", lambda s: s.get_range("a", 0, 8 * 2**20)),
    "get no bytes": ("HEAD", "head", lambda s: s.get_range("a", 0, 0)),
    "get an empty object": ("GET", "get", lambda s: s.get("empty", limit=10)),
    "set metadata": ("PUT", "set_metadata", lambda s: s.set_metadata("a", {"b": "c"})),
    "put": ("PUT", "put", lambda s: s.put("b", CONTENT, metadata={"a": "b"})),
    "put a large object": ("PUT", "put", lambda s: s.put("b", LARGE)),
    "stage": ("PUT", "stage", lambda s: s.stage("b", make_block_id("1"), CONTENT, md5=MD5)),
    "stage from": ("PUT", "stage_from", lambda s: s.stage_from("b", make_block_id("1"), "a")),
    "commit": ("PUT", "commit", lambda s: s.commit("staged", [make_block_id("1")])),
    "committed blocks": ("GET", "committed_blocks", lambda s: s.committed_blocks("blocks")),
    "uncommitted blocks": (
        "GET",
        "uncommitted_blocks",
        lambda s: s.uncommitted_blocks("staged"),
    ),
    "copy": ("PUT", "copy", lambda s: s.copy("b", "empty", size=0, metadata={"a": "b"})),
    "delete": ("DELETE", "delete", lambda s: s.delete("a")),
    "delete many": (
        "POST",
        "delete_batch",
        lambda s: s.delete_batch([(path, UNCONDITIONAL) for path in ("a", "empty", "missing")]),
    ),
    "list": ("GET", "list", lambda s: s.list_page("")),
    "list a page": ("GET", "list", lambda s: s.list_page("", limit=1, by_folder=True)),
}


@pytest.mark.parametrize("case", ONE_CALL)
async def test_an_operation_is_one_request(store: AzureBlobStore, calls: Calls, case: str) -> None:
    await _fill(store)
    calls.clear()
    method, operation, run = ONE_CALL[case]
    await run(store)
    assert calls == [(method, operation)]


async def test_a_url_is_signed_without_a_request(store: AzureBlobStore, calls: Calls) -> None:
    await store.signed_url("a", seconds=60)
    assert calls == []


async def test_a_batch_of_no_deletions_takes_no_request(
    store: AzureBlobStore, calls: Calls
) -> None:
    assert list(await store.delete_batch([])) == []
    assert calls == []


async def test_a_range_of_an_empty_object_takes_a_second_request(
    store: AzureBlobStore, calls: Calls
) -> None:
    await _fill(store)
    calls.clear()
    await store.get_range("empty", 0, 8)
    assert calls == [("GET", "get"), ("HEAD", "head")]


async def test_the_blocks_of_an_object_without_any_take_a_second_request(
    store: AzureBlobStore, calls: Calls
) -> None:
    """Storage answers likewise for an object that was put whole and for no object."""
    await _fill(store)
    calls.clear()
    await store.committed_blocks("a")
    assert calls == [("GET", "committed_blocks"), ("HEAD", "head")]


async def test_a_large_copy_takes_one_request_for_each_piece_and_one_more(
    store: AzureBlobStore, calls: Calls
) -> None:
    await _fill(store)
    calls.clear()
    await store.copy("b", "a", size=10, metadata={"a": "b"})
    assert calls == [("PUT", "stage_from")] * 3 + [("PUT", "commit")]
    assert await content_of(store, "b") == CONTENT


async def test_the_container_is_created_once(azurite: Azurite, container_name: str) -> None:
    async with opened(azurite, f"{container_name}2") as store:
        await store.ensure_container()
        await store.put("a", CONTENT)
        await store.ensure_container()
        assert await content_of(store, "a") == CONTENT


async def test_a_signed_url_permits_reading_one_object_only(store: AzureBlobStore) -> None:
    path = "/docker/_catalog/a%2Fb"
    await store.put(path, CONTENT)
    await store.put("other", CONTENT)
    url = await store.signed_url(path, seconds=60)
    async with httpx.AsyncClient() as client:
        assert (await client.get(url)).content == CONTENT
        part = await client.get(url, headers={"Range": "bytes=2-4"})
        assert (part.status_code, part.content) == (206, b"234")
        container, _, rest = url.partition(quote(path))
        assert (await client.get(f"{container}/other{rest}")).status_code == 403
        refused = await client.put(url, content=b"new", headers={"x-ms-blob-type": "BlockBlob"})
        assert refused.status_code == 403
        late = await store.signed_url(path, seconds=-1)
        assert (await client.get(late)).status_code == 403
    assert await content_of(store, path) == CONTENT


async def test_azurite_computes_no_needless_checksum(azurite: Azurite, container_name: str) -> None:
    with _Recorder(azurite) as recorder:
        async with opened_at(recorder.port, container_name) as store:
            await stage(store, "a", "1", LARGE)
    [(request, response)] = recorder.exchanges
    assert request["Content-MD5"]
    assert request["Content-Length"] == str(len(LARGE))
    assert "x-ms-content-crc64" not in response


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "AccountName=a", "BlobEndpoint=http://localhost;SharedAccessSignature=sig"],
)
def test_an_invalid_connection_string_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="onnection string"):
        AzureBlobStore.from_connection_string(text, "container")


class _Recorder(ReverseProxy):
    """Records the headers of requests and responses."""

    def __init__(self, azurite: Azurite) -> None:
        super().__init__()
        self._azurite = azurite
        self.exchanges: list[tuple[dict[str, str], dict[str, str]]] = []

    @property
    def port(self) -> int:
        return int(self.authority.rpartition(":")[2])

    async def answer(self, out: ClientSession, request: web.BaseRequest) -> web.StreamResponse:
        return await self.forward(out, request, f"127.0.0.1:{self._azurite.port}")

    def before_answer(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        self.exchanges.append((dict(request.headers), dict(response.headers)))
