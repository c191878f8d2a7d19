"""Proxies of the environment, and answers that do not come from storage."""

from __future__ import annotations

import asyncio
import base64

import pytest
from aiohttp import web

from registry_core.object_store.azure import AzureBlobStore, Limits
from registry_core.object_store.azure.errors import AnswerMalformed
from registry_core.object_store.errors import StoreUnavailable
from tests.contracts.object_store import CONTENT
from tests.support.scripted_storage import (
    ACCOUNT,
    CONTAINER,
    Instead,
    ScriptedStorage,
    scripted_storage,
)
from tests.support.store_calls import CALLS, KEY, opened_over

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("skipped_time")]

STORAGE_URL = "http://storage.test"
PAGE = b"<html><body>Sign in to the network</body></html>"


def page(status: int, **headers: str) -> Instead:
    """Return an answer of an intermediary."""
    sent = {"Content-Type": "text/html", "Server": "proxy"}
    return Instead(status, headers=sent | {k.replace("_", "-"): v for k, v in headers.items()})


STRANGERS = {
    "200": Instead(200, headers={"Content-Type": "text/html"}, body=PAGE),
    "200 like a blob": Instead(
        200,
        headers={
            "ETag": '"0"',
            "Last-Modified": "Sat, 07 Nov 2026 08:09:10 GMT",
            "x-ms-blob-type": "BlockBlob",
        },
        body=PAGE,
    ),
    "200 like an empty listing": Instead(
        200, body=b"<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>"
    ),
    "201": Instead(201, headers={"ETag": '"0"'}),
    "202": Instead(202),
    "206": Instead(206, headers={"Content-Range": "bytes 2-4/10"}, body=b"234"),
    "301": page(301, Location="http://127.0.0.1:9/elsewhere"),
    "302": page(302, Location="/account/registry/b"),
    "304": page(304),
    "307": page(307, Location="/account/registry/b"),
    "401": page(401, WWW_Authenticate="Basic"),
    "403": page(403),
    "404": page(404),
    "407": page(407, Proxy_Authenticate="Basic"),
    "409": page(409),
    "412": page(412),
    "416": page(416),
    "502": page(502),
}


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize("call", CALLS)
async def test_the_answer_of_an_intermediary_is_an_unavailable_storage(
    scripted: ScriptedStorage, call: str, stranger: str
) -> None:
    """Never content, a missing object, or a condition that does not hold."""
    scripted.choose = lambda _: STRANGERS[stranger]
    async with opened_over(scripted) as store:
        with pytest.raises(StoreUnavailable, match=r"\d{3}, but not from storage") as caught:
            await CALLS[call](store)
    assert type(caught.value) is StoreUnavailable
    assert f"{stranger[:3]}, but not" in str(caught.value)
    assert len(scripted.received) == 1 + Limits().retries
    paths = {request.path for request in scripted.received}
    assert len(paths) == 1  # no redirect was followed
    assert "Sign in" not in str(caught.value)


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize("call", CALLS)
async def test_an_operation_succeeds_once_storage_answers(
    scripted: ScriptedStorage, call: str, stranger: str
) -> None:
    scripted.answers = [STRANGERS[stranger]] * 2
    async with opened_over(scripted) as store:
        await CALLS[call](store)
    assert len(scripted.received) == 3


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy"])
async def test_the_proxy_of_the_environment_is_used(
    scripted: ScriptedStorage, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, f"http://127.0.0.1:{scripted.port}")
    url = f"{STORAGE_URL}/{ACCOUNT}"
    store = AzureBlobStore.from_key(url, CONTAINER, ACCOUNT, KEY)
    assert (await store.get("a", limit=10)).content == CONTENT
    await store.put("b", CONTENT)
    await store.close()
    assert [request.target for request in scripted.received] == [
        f"{url}/{CONTAINER}/a",
        f"{url}/{CONTAINER}/b?timeout=30",
    ]
    assert scripted.received[0].headers["Host"] == "storage.test"


async def test_a_proxy_gets_the_credentials_of_its_url_and_storage_its_own(
    scripted: ScriptedStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://user:secret@127.0.0.1:{scripted.port}")
    store = AzureBlobStore.from_key(f"{STORAGE_URL}/{ACCOUNT}", CONTAINER, ACCOUNT, KEY)
    await store.head("a")
    await store.close()
    [request] = scripted.received
    basic = base64.b64encode(b"user:secret").decode()
    assert request.headers["Proxy-Authorization"] == f"Basic {basic}"
    assert request.headers["Authorization"].startswith(f"SharedKey {ACCOUNT}:")


@pytest.mark.parametrize(
    "excepted",
    ["127.0.0.1", "127.0.0.1:{port}", "localhost,127.0.0.1", "*"],
)
async def test_hosts_that_are_excepted_are_reached_directly(
    scripted: ScriptedStorage, monkeypatch: pytest.MonkeyPatch, excepted: str
) -> None:
    async with scripted_storage() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", excepted.format(port=scripted.port))
        async with opened_over(scripted) as store:
            await store.head("a")
        assert len(scripted.received) == 1
        assert proxy.received == []


async def test_other_hosts_and_schemes_are_not_excepted(
    scripted: ScriptedStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{scripted.port}")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "example.com,other.test")
    store = AzureBlobStore.from_key(f"{STORAGE_URL}/{ACCOUNT}", CONTAINER, ACCOUNT, KEY)
    await store.head("a")
    await store.close()
    assert len(scripted.received) == 1


async def test_a_proxy_opens_a_tunnel_for_https(
    scripted: ScriptedStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No header for storage is sent to the proxy, and its refusal does not disclose its password.

    The error of aiohttp names the URL of the proxy.
    """
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{scripted.port}")
    scripted.choose = lambda _: page(407, Proxy_Authenticate="Basic")
    url = "https://account.blob.storage.test"
    store = AzureBlobStore.from_key(url, CONTAINER, ACCOUNT, KEY)
    with pytest.raises(StoreUnavailable, match="head a: ") as caught:
        await store.head("a")
    await store.close()
    assert {request.method for request in scripted.received} == {"CONNECT"}
    assert {request.target for request in scripted.received} == {"account.blob.storage.test:443"}
    assert "Authorization" not in scripted.received[0].headers
    assert "407" in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_an_unreachable_proxy_is_an_unavailable_storage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with scripted_storage() as closed:
        port = closed.port
    monkeypatch.setenv("HTTP_PROXY", f"http://user:secret@127.0.0.1:{port}")
    store = AzureBlobStore.from_key(f"{STORAGE_URL}/{ACCOUNT}", CONTAINER, ACCOUNT, KEY)
    with pytest.raises(StoreUnavailable, match=f"Cannot connect to .*:{port}") as caught:
        await store.head("a")
    await store.close()
    assert "secret" not in str(caught.value)


async def test_a_compressed_answer_is_not_decompressed(scripted: ScriptedStorage) -> None:
    """Content hashes to its address as it is stored, whatever a header says of it."""
    scripted.choose = lambda _: web.Response(
        body=b"as stored",
        headers={
            "Content-Encoding": "gzip",
            "ETag": '"1"',
            "Last-Modified": "Sat, 07 Nov 2026 08:09:10 GMT",
            "x-ms-request-id": "made-up",
        },
    )
    async with opened_over(scripted) as store:
        assert (await store.get("a", limit=10)).content == b"as stored"
        assert "Accept-Encoding" not in scripted.received[0].headers


HEADERS = {
    "ETag": '"1"',
    "Last-Modified": "Sat, 07 Nov 2026 08:09:10 GMT",
    "Content-Range": "bytes 2-4/10",
}


@pytest.mark.parametrize(
    "call, changed, problem",
    [
        ("get", {"ETag": ""}, "no ETag"),
        ("get", {"Last-Modified": ""}, "malformed date"),
        ("get", {"Last-Modified": "yesterday"}, "malformed date: 'yesterday'"),
        ("get_range", {"Content-Range": "bytes 2-4/*"}, "size of the object"),
        ("put", {"ETag": ""}, "no ETag"),
        ("copy", {"ETag": ""}, "no ETag"),
    ],
)
async def test_headers_that_an_intermediary_has_removed_or_changed_are_an_error(
    scripted: ScriptedStorage, call: str, changed: dict[str, str], problem: str
) -> None:
    headers = HEADERS | changed | {"x-ms-request-id": "made-up"}
    scripted.choose = lambda _: Instead(200, headers=headers, body=b"234")
    async with opened_over(scripted) as store:
        with pytest.raises(AnswerMalformed, match=problem):
            await CALLS[call](store)


GARBAGE = {
    "bytes": bytes(range(256)) * 64,
    "a status": b"HTTP/1.1 two\r\nhundred\r\n\r\n",
    "a header": b"HTTP/1.1 200 OK\r\na\x1b[31mb: c\r\n\r\n",
    "a header without end": b"HTTP/1.1 200 OK\r\nname: " + b"x" * 9000,
    "the refusal of a proxy": b"HTTP/1.1 407 \x1b[31m" + b"x" * 900 + b"\r\n\r\n",
}


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_an_answer_that_is_not_understood_is_described_on_one_short_line(
    monkeypatch: pytest.MonkeyPatch, garbage: str
) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GARBAGE[garbage])
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = "http://{}:{}".format(*server.sockets[0].getsockname())
        if "proxy" in garbage:
            monkeypatch.setenv("HTTPS_PROXY", url)
            url = "https://account.blob.storage.test"
        store = AzureBlobStore.from_key(f"{url}/{ACCOUNT}", CONTAINER, ACCOUNT, KEY)
        with pytest.raises(StoreUnavailable, match="head a: ") as caught:
            await store.head("a")
        await store.close()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
