"""Everything but uploads is forwarded: requests to the registry, and its answers to the client."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from registry_core.relay.forwarding import BODY_LIMIT
from tests.client.peers import Received as Request
from tests.client.peers import peer, raw_peer
from tests.support.eventually import eventually

from .relaying import CREDENTIALS, RunningRelay, relay_to
from .scripted_registry import ScriptedRegistry

pytestmark = pytest.mark.anyio

MANIFEST = "/v2/team/app/manifests/v1"
BLOB = "/v2/team/app/blobs/sha256:" + "0" * 64


def answering(registry: ScriptedRegistry, path: str, response: web.Response) -> None:
    async def answer(_request: web.BaseRequest) -> web.Response:
        return response

    registry.answers[path] = answer


async def test_a_request_arrives_as_it_was_sent(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    """With its query, its body and its headers, the caller's credentials among them."""
    await relay.http.put(
        MANIFEST,
        params={"tag": "v1 a"},
        content=b"{}",
        headers={"Content-Type": "application/json", "If-Match": '"sha256:1"'},
    )
    put = registry.received("PUT")
    assert (put.path, put.query, put.body) == (MANIFEST, {"tag": "v1 a"}, b"{}")
    assert put.headers["authorization"] == CREDENTIALS
    assert put.headers["content-type"] == "application/json"
    assert put.headers["if-match"] == '"sha256:1"'
    assert put.headers["user-agent"] == "containerd/2.2.0"
    assert put.headers["host"] == registry.url.removeprefix("http://")


async def test_a_path_that_looks_like_a_host_leads_to_the_registry_nevertheless(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    """Otherwise the relay would be a proxy to anywhere, for every page in a browser."""
    arrived: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.append(await reader.readline())
        writer.close()

    async with await asyncio.start_server(note, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        parts = urlsplit(relay.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        target = f"//127.0.0.1:{port}/v2/"
        lines = (f"GET {target} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close", "", "")
        writer.write("\r\n".join(lines).encode())
        await reader.read()
        writer.close()
    assert arrived == []
    assert registry.received("GET").path == target


async def test_headers_of_the_connection_and_of_proxies_are_not_forwarded(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    headers = {
        "Connection": "keep-alive, X-Mine",
        "X-Mine": "1",
        "TE": "trailers",
        "Forwarded": "host=evil.example",
        "X-Forwarded-Host": "evil.example",
    }
    await relay.http.get(MANIFEST, headers=headers)

    received = registry.received("GET").headers
    assert not {"x-mine", "te", "forwarded", "x-forwarded-host"} & {*map(str.lower, received)}


async def test_an_answer_arrives_as_it_was_sent(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    headers = {"Docker-Content-Digest": "sha256:1", "ETag": '"1"', "Content-Type": "text/x-odd"}
    answering(registry, MANIFEST, web.Response(status=203, body=b"content", headers=headers))
    answer = await relay.http.get(MANIFEST)

    assert (answer.status_code, answer.content) == (203, b"content")
    assert (
        headers.items()
        <= {k.title().replace("Etag", "ETag"): v for k, v in answer.headers.items()}.items()
    )


@pytest.mark.parametrize("path", ["//{other}/v2/", "///{other}/", "//[", "//:80/", "/a/..//b"])
async def test_no_path_leads_to_another_server(path: str) -> None:
    """As a reference of a URL, one that begins with two slashes would name a host: RFC 3986."""
    async with peer(nothing) as registry, peer(nothing) as other, relay_to(registry.url) as relay:
        target = path.format(other=other.url.removeprefix("http://"))
        host, port = relay.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {CREDENTIALS}\r\n\r\n"
        writer.write(head.encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 404")
        writer.close()
    assert (registry.targets, other.targets) == ([f"GET {target}"], [])


def nothing(_request: Request) -> web.Response:
    return web.Response(status=404)


@pytest.mark.parametrize("name", ["caf\u00e9 \u65e5", "\udcff"])
async def test_headers_arrive_byte_by_byte(name: str) -> None:
    """Servers and proxies write them in whatever encoding."""
    sent = name.encode("utf-8", "surrogateescape")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nX-Name: " + sent)
            writer.write(b"\r\n\r\n")

    async with raw_peer(answer) as registry, relay_to(registry.url) as relay:
        for method, path in (("GET", MANIFEST), ("POST", "/v2/team/app/blobs/uploads/")):
            answered = await relay.http.request(method, path)
            assert answered.status_code == 404
            assert dict(answered.headers.raw)[b"x-name"] == sent


@pytest.mark.parametrize("status", [101, 600, 999])
async def test_a_status_that_is_none_is_a_fault_of_the_registry(status: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 %d Odd\r\nContent-Length: 0\r\n\r\n" % status)

    async with raw_peer(answer) as registry, relay_to(registry.url) as relay:
        for method, path in (("GET", MANIFEST), ("POST", "/v2/team/app/blobs/uploads/")):
            answered = await relay.http.request(method, path)
            assert answered.status_code == 503
            assert f"answered with status {status}" in answered.text


async def test_the_size_in_the_answer_to_a_head_stays(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    answering(registry, BLOB, web.Response(body=bytes(1234)))

    assert (await relay.http.head(BLOB)).headers["content-length"] == "1234"


async def test_urls_of_the_registry_become_the_relays(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    """Where the client calls the relay by another name, by that name."""
    headers = {
        "Location": f"{registry.url}{BLOB}",
        "Link": f'<{registry.url}/v2/_catalog?last=a&n=1>; rel="next"',
    }
    answering(registry, MANIFEST, web.Response(status=201, headers=headers))
    port = relay.url.rpartition(":")[2]
    answer = await relay.http.put(MANIFEST, headers={"Host": f"localhost:{port}"}, content=b"{}")

    assert answer.headers["location"] == f"http://localhost:{port}{BLOB}"
    assert answer.headers["link"] == f'<http://localhost:{port}/v2/_catalog?last=a&n=1>; rel="next"'


async def test_redirects_to_storage_are_the_clients_to_follow(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    signed = "https://account.blob.core.windows.net/registry/data?sig=a%2Fb"
    answering(registry, BLOB, web.Response(status=307, headers={"Location": signed}))
    answer = await relay.http.get(BLOB)

    assert (answer.status_code, answer.headers["location"]) == (307, signed)


async def test_clients_log_in_at_the_registrys_own_token_service(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    challenge = f'Bearer realm="{registry.url}/auth/token",service="registry.example.com"'
    answering(registry, "/v2/", web.Response(status=401, headers={"WWW-Authenticate": challenge}))

    assert (await relay.http.get("/v2/")).headers["www-authenticate"] == challenge


async def test_clients_that_could_not_reach_the_token_service_log_in_through_the_relay(
    registry: ScriptedRegistry,
) -> None:
    """With the relay's certificates, which its clients may lack. Other services stay."""
    own, other = f"{registry.url}/auth/token", "https://auth.example.com/token"
    answering(registry, "/auth/token", web.json_response({"token": "1"}))
    async with relay_to(registry.url, insecure=True) as relay:
        for realm, seen in ((own, f"{relay.url}/auth/token"), (other, other)):
            challenge = f'Bearer realm="{realm}",service="s"'
            headers = {"WWW-Authenticate": challenge}
            answering(registry, "/v2/", web.Response(status=401, headers=headers))
            answer = await relay.http.get("/v2/")
            assert answer.headers["www-authenticate"] == f'Bearer realm="{seen}",service="s"'
        assert (await relay.http.get("/auth/token")).json() == {"token": "1"}


async def test_an_answer_streams(relay: RunningRelay, registry: ScriptedRegistry) -> None:
    """Its beginning arrives before its end was sent."""
    may_end = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await may_end.wait()
        await response.write(b"second")
        await response.write_eof()
        return response

    registry.answers[BLOB] = answer
    async with relay.http.stream("GET", BLOB) as response:
        pieces = response.aiter_raw()
        assert await anext(pieces) == b"first"
        may_end.set()
        assert [piece async for piece in pieces] == [b"second"]


async def test_a_client_that_hangs_up_ends_the_request_to_the_registry(
    relay: RunningRelay, registry: ScriptedRegistry
) -> None:
    ended = asyncio.Event()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(2**16))
                await asyncio.sleep(0)
        finally:
            ended.set()

    registry.answers[BLOB] = answer
    async with relay.http.stream("GET", BLOB) as response:
        await anext(response.aiter_raw())

    async def has_ended() -> bool:
        return ended.is_set()

    await eventually(has_ended)


async def test_a_body_that_is_no_manifest_is_refused(relay: RunningRelay) -> None:
    answer = await relay.http.put(MANIFEST, content=bytes(BODY_LIMIT + 1))

    assert answer.status_code == 413


async def test_a_registry_that_cannot_be_reached_is_named(caplog: pytest.LogCaptureFixture) -> None:
    async with relay_to("http://127.0.0.1:1") as relay:
        answer = await relay.http.get("/v2/")

    assert answer.status_code == 503
    assert "http://127.0.0.1:1" in answer.json()["errors"][0]["message"]
    assert CREDENTIALS not in caplog.text


async def test_other_methods_are_refused(relay: RunningRelay, registry: ScriptedRegistry) -> None:
    answer = await relay.http.options("/v2/")

    assert answer.status_code == 405
    assert registry.requests == []
