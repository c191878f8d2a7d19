"""Which requests for a blob are redirected to storage, and which the registry answers itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from registry_core import MemoryStore, StoredRegistry, asgi
from registry_core.spec.digest import Digest
from tests.support.content import push_blob

pytestmark = pytest.mark.anyio

CONTENT = b"0123456789"
URL = f"/v2/a/blobs/{Digest.of(CONTENT)}"
EMPTY = f"/v2/a/blobs/{Digest.of(b'')}"
ETAG = f'"{Digest.of(CONTENT)}"'


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a registry whose storage has URLs."""

    async def signed_url(path: str, **_: object) -> str:
        return f"https://storage.example/{path}"

    memory = MemoryStore()
    monkeypatch.setattr(memory, "signed_url", signed_url)
    registry = StoredRegistry(memory, redirect_min_size=0)
    await push_blob(registry, "a", CONTENT)
    await push_blob(registry, "a", b"")
    transport = httpx.ASGITransport(
        asgi(registry, secret="a secret for tests, with enough characters")
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://registry.test") as client:
        yield client


@pytest.mark.parametrize("range_", [None, "bytes=0-", "bytes=0-0", "bytes=3-5", "bytes=3-99"])
async def test_whole_blobs_and_parts_from_an_offset_are_redirected(
    client: httpx.AsyncClient, range_: str | None
) -> None:
    answer = await client.get(URL, headers={"Range": range_} if range_ else {})
    assert answer.status_code == 307


@pytest.mark.parametrize(
    "range_, status, content",
    [
        ("bytes=-3", 206, b"789"),
        ("Bytes=3-5", 206, b"345"),
        ("bytes=3-9999999999999999999", 206, CONTENT[3:]),
        ("bytes=abc", 200, CONTENT),
        ("bytes=-", 200, CONTENT),
        ("items=0-5", 200, CONTENT),
        ("bytes=0-1,5-6", 200, CONTENT),
    ],
)
async def test_what_storage_would_understand_differently_is_answered(
    client: httpx.AsyncClient, range_: str, status: int, content: bytes
) -> None:
    answer = await client.get(URL, headers={"Range": range_})
    assert (answer.status_code, answer.content) == (status, content)


@pytest.mark.parametrize("range_", ["bytes=10-", "bytes=10-12", "bytes=-0"])
async def test_a_part_outside_the_blob_is_refused_not_redirected(
    client: httpx.AsyncClient, range_: str
) -> None:
    answer = await client.get(URL, headers={"Range": range_})
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, "bytes */10")


@pytest.mark.parametrize("range_", [None, "bytes=0-", "bytes=0-1048575", "bytes=5-", "x"])
async def test_an_empty_blob_is_answered(client: httpx.AsyncClient, range_: str | None) -> None:
    answer = await client.get(EMPTY, headers={"Range": range_} if range_ else {})
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    "condition, value",
    [
        ("If-Match", ETAG),
        ("If-None-Match", '"another"'),
        ("If-Range", ETAG),
        ("If-Modified-Since", "Sat, 29 Oct 1994 19:43:31 GMT"),
        ("If-Unmodified-Since", "Sat, 29 Oct 1994 19:43:31 GMT"),
    ],
)
async def test_a_request_with_a_condition_is_answered(
    client: httpx.AsyncClient, condition: str, value: str
) -> None:
    """Storage has other ETags and dates."""
    answer = await client.get(URL, headers={condition: value})
    assert (answer.status_code, answer.content) == (200, CONTENT)


@pytest.mark.parametrize(
    "if_range, status, content",
    [
        (ETAG, 206, b"345"),
        (f"W/{ETAG}", 200, CONTENT),
        ('"another"', 200, CONTENT),
        ("*", 200, CONTENT),
        ("Sat, 29 Oct 1994 19:43:31 GMT", 200, CONTENT),
    ],
)
async def test_a_part_is_sent_only_if_if_range_names_the_blobs_etag(
    client: httpx.AsyncClient, if_range: str, status: int, content: bytes
) -> None:
    """RFC 9110 section 13.1.5."""
    headers = {"Range": "bytes=3-5", "If-Range": if_range}
    answer = await client.get(URL, headers=headers)
    assert (answer.status_code, answer.content) == (status, content)
