"""Requests of a client: what is sent, what is read, and how long that may take."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientOSError, web
from yarl import URL

from registry_core.client.bodies import OneShot
from registry_core.client.failures import describe_failure
from registry_core.client.options import ClientOptions, Timeouts
from registry_core.client.origins import Origin
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import CheckVersion, GetBlob, HeadBlob, PushManifest
from registry_core.spec.errors import (
    BlobUnknown,
    Denied,
    SizeInvalid,
    TooManyRequests,
    Unavailable,
)

from .peers import RawHandler, Received, fetch, peer, raw_peer, session

pytestmark = pytest.mark.anyio

MIB = 2**20
DIGEST = Digest.parse("sha256:" + "a" * 64)


def ok(_: Received) -> web.Response:
    return web.Response(text="content")


async def test_an_endpoint_is_requested_by_the_url_that_its_registry_parses() -> None:
    async with (
        peer(ok) as registry,
        session(registry.url) as client,
        client.request("GET", GetBlob("team/app", DIGEST)) as answer,
    ):
        assert await answer.read(100) == b"content"
        assert answer.status == 200
        assert answer.headers["content-TYPE"].startswith("text/plain")
        assert answer.url == f"{registry.url}/v2/team/app/blobs/{DIGEST}"
    assert registry.targets == [f"GET /v2/team/app/blobs/{DIGEST}"]


async def test_a_url_that_the_registry_gave_is_requested_exactly_as_it_is() -> None:
    target = "/v2/a/blobs/uploads/1?_state=a%2Fb%3D&x=%20&y=a+b"
    async with peer(ok) as registry, session(registry.url) as client:
        for url in (target, f"{registry.url}{target}"):
            await fetch(client, "PATCH", url)
    assert registry.targets == [f"PATCH {target}"] * 2


async def test_the_client_names_itself_and_asks_for_content_as_it_is() -> None:
    async with peer(ok) as registry, session(registry.url) as client:
        await fetch(client, "GET", CheckVersion(), headers={"Accept": "a/b"})
    [received] = registry.received
    assert received.headers["User-Agent"].startswith("moorage")
    assert received.headers["Accept-Encoding"] == "identity"
    assert received.headers["Accept"] == "a/b"
    assert "Authorization" not in received.headers
    assert "Cookie" not in received.headers


async def test_what_is_streamed_is_sent_in_chunks_without_a_length() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 300_000

    async with peer(ok) as registry, session(registry.url) as client:
        await fetch(client, "PATCH", "/upload", body=pieces)
    [received] = registry.received
    assert received.body == b"x" * 900_000
    assert received.headers["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in received.headers


@pytest.mark.parametrize("size", [0, 100, 5 * MIB])
async def test_bytes_are_sent_with_their_length(size: int) -> None:
    async with peer(ok) as registry, session(registry.url) as client:
        await fetch(client, "PUT", "/x", body=b"x" * size)
    [received] = registry.received
    assert received.body == b"x" * size
    assert received.headers["Content-Length"] == str(size)
    assert "Transfer-Encoding" not in received.headers


async def test_an_error_of_the_registry_is_the_exception_of_its_code() -> None:
    content = {"errors": [{"code": "BLOB_UNKNOWN", "message": "no such blob", "detail": 1}]}

    def answer(_: Received) -> web.Response:
        return web.json_response(content, status=404)

    async with peer(answer) as registry, session(registry.url) as client:
        with pytest.raises(BlobUnknown, match="no such blob") as raised:
            await fetch(client, "GET", GetBlob("a", DIGEST))
    assert raised.value.errors[0].detail == 1


async def test_an_answer_without_an_error_code_is_judged_by_its_status() -> None:
    def answer(_: Received) -> web.Response:
        return web.Response(status=403, text="<html>")

    async with peer(answer) as registry, session(registry.url) as client:
        with pytest.raises(Denied):
            await fetch(client, "HEAD", HeadBlob("a", DIGEST))


async def test_the_error_of_a_busy_registry_says_when_to_come_back() -> None:
    def answer(_: Received) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "3"})

    async with peer(answer) as registry, session(registry.url) as client:
        with pytest.raises(TooManyRequests) as raised:
            await fetch(client, "PUT", "/x", retry=False)
    assert raised.value.headers == {"Retry-After": "3"}
    assert len(registry.received) == 1


async def test_the_body_of_an_error_is_not_read_beyond_a_limit() -> None:
    written = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\n\r\n")
        while True:
            writer.write(b"[" * MIB)
            await writer.drain()
            written += 1

    async with raw_peer(endless) as registry, session(registry.url) as client:
        with pytest.raises(SizeInvalid):
            await fetch(client, "PUT", "/x")
    assert written < 20


async def test_reading_more_than_the_limit_is_an_error_that_names_the_host() -> None:
    async with (
        peer(ok) as registry,
        session(registry.url) as client,
        client.request("GET", CheckVersion()) as answer,
    ):
        with pytest.raises(Unavailable, match=f"{registry.url} sent .*more than 3 bytes"):
            await answer.read(3)


async def test_a_body_is_streamed_without_keeping_it() -> None:
    def answer(_: Received) -> web.Response:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(64):
                yield b"x" * MIB

        return web.Response(body=pieces())

    async with peer(answer) as registry, session(registry.url) as client:
        tracemalloc.start()
        try:
            async with client.request("GET", CheckVersion()) as answer_:
                size = sum([len(piece) async for piece in answer_.pieces()])
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert size == 64 * MIB
    assert peak < 16 * MIB


async def test_a_connection_is_kept_for_the_next_request() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}")

    async with raw_peer(answer) as registry, session(registry.url) as client:
        for _ in range(3):
            with pytest.raises(Exception, match="404"):
                await fetch(client, "GET", CheckVersion())
    assert registry.connections == 1


async def test_an_answer_that_is_given_up_closes_its_connection() -> None:
    ended = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\nx")
        await reader.read()
        ended.set()

    async with raw_peer(answer) as registry, session(registry.url) as client:
        async with client.request("GET", CheckVersion()) as given_up:
            assert given_up.status == 200
        async with asyncio.timeout(5):
            await ended.wait()


async def test_a_body_that_breaks_off_is_an_error() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")

    async with (
        raw_peer(answer) as registry,
        session(registry.url) as client,
        client.request("GET", CheckVersion()) as answer_,
    ):
        with pytest.raises(Unavailable, match=r"the answer of http://127\.0\.0\.1:\d+ broke off"):
            assert [piece async for piece in answer_.pieces()] == [b"abc"]


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def dripping_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def endless_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X: y\r\n" * 100)
        await writer.drain()


async def long_header(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nX: " + b"x" * MIB + b"\r\n\r\n")
    await writer.drain()


async def not_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")
    await writer.drain()


@pytest.mark.parametrize(
    "answer", [silent, dripping_headers, endless_headers, long_header, not_http]
)
async def test_a_peer_that_does_not_answer_properly_is_unavailable(answer: RawHandler) -> None:
    limits = Timeouts(connect=1, silence=0.2, answer=0.4)
    async with (
        raw_peer(answer) as registry,
        session(registry.url, timeouts=limits) as client,
        asyncio.timeout(5),
    ):
        with pytest.raises(Unavailable, match=registry.url) as raised:
            await fetch(client, "GET", CheckVersion())
    assert registry.url in raised.value.message


async def test_a_whole_answer_must_arrive_in_time() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    limits = Timeouts(connect=1, silence=1, answer=0.3)
    async with (
        raw_peer(answer) as registry,
        session(registry.url, timeouts=limits) as client,
        client.request("GET", CheckVersion()) as answer_,
        asyncio.timeout(5),
    ):
        with pytest.raises(Unavailable, match="did not answer in time"):
            await answer_.read(MIB)


async def test_a_peer_that_takes_no_more_of_a_body_is_given_up() -> None:
    async def stuck(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(60)

    async def pieces() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * MIB

    limits = Timeouts(connect=1, silence=0.3, answer=60)
    async with (
        raw_peer(stuck) as registry,
        session(registry.url, timeouts=limits) as client,
        asyncio.timeout(10),
    ):
        with pytest.raises(Unavailable, match="did not answer in time"):
            await fetch(client, "PATCH", "/x", body=pieces)


async def test_a_connection_that_breaks_in_a_body_is_named_without_the_query() -> None:
    """The URL is signed where a block goes to storage."""
    url = "https://storage.example/block?sig=secret"
    # As aiohttp raises it where the peer closes a connection that waits to be written to.
    failure = ClientOSError(None, f"Can not write request body for {url}")
    error = describe_failure(Origin.of(URL(url)), failure)
    origin = "https://storage.example"
    text = f"the connection with {origin} broke: it was closed while the request was sent"
    assert (str(error), error.message) == (text, text)


async def test_the_source_of_a_body_may_take_its_time() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        await asyncio.sleep(0.4)
        yield b"a"
        await asyncio.sleep(0.4)
        yield b"b"

    limits = Timeouts(connect=1, silence=0.2, answer=0.2)
    async with peer(ok) as registry, session(registry.url, timeouts=limits) as client:
        await fetch(client, "PATCH", "/x", body=pieces)
    assert registry.received[0].body == b"ab"


async def test_what_the_source_of_a_body_raises_is_what_the_caller_gets() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        raise BlobUnknown("gone at the source")

    async with peer(ok) as registry, session(registry.url) as client:
        with pytest.raises(BlobUnknown, match="gone at the source"):
            await fetch(client, "PUT", "/x", body=pieces)


async def test_an_answer_before_the_end_of_a_body_is_the_answer() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps({"errors": [{"code": "DENIED", "message": "read-only"}]}).encode()
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n" % len(body))
        await asyncio.sleep(0.1)
        writer.write(body)
        await reader.read()

    closed = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
                await asyncio.sleep(0.001)
        finally:
            closed.set()

    async with raw_peer(refuse) as registry, session(registry.url) as client:
        async with asyncio.timeout(5):
            with pytest.raises(Denied, match="read-only"):
                await fetch(client, "PATCH", "/x", body=pieces)
            await closed.wait()


async def test_a_body_goes_on_after_its_answer_has_begun() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        begun.set()
        content = await reader.readuntil(b"0\r\n\r\n")
        writer.write(content)

    begun = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        await begun.wait()
        await asyncio.sleep(0.1)
        yield b"last"

    async with raw_peer(echo) as registry, session(registry.url) as client, asyncio.timeout(5):
        assert b"last" in await fetch(client, "PATCH", "/x", body=pieces)


async def test_at_most_so_many_requests_wait_for_answers_and_streams_do_not_count() -> None:
    waiting, most, full, go = 0, 0, asyncio.Event(), asyncio.Event()

    async def answer(received: Received) -> web.Response:
        nonlocal waiting, most
        if received.method == "GET":
            waiting += 1
            most = max(most, waiting)
            if most == 2:
                full.set()
            await go.wait()
            waiting -= 1
        return web.Response()

    async with peer(answer) as registry, session(registry.url, parallel=2) as client:

        async def get() -> None:
            await fetch(client, "GET", CheckVersion())

        tasks = [asyncio.create_task(get()) for _ in range(6)]
        async with asyncio.timeout(5):
            await full.wait()

            async def pieces() -> AsyncIterator[bytes]:
                yield b"x"

            await fetch(client, "PATCH", "/x", body=pieces)
            go.set()
            await asyncio.gather(*tasks)
    assert most == 2


async def test_a_body_for_one_shot_is_sent() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"once"

    async with peer(ok) as registry, session(registry.url) as client:
        await fetch(client, "PUT", "/x", body=OneShot(pieces()))
    assert registry.received[0].body == b"once"


async def test_a_registry_that_is_not_there_is_named_with_the_reason() -> None:
    async with raw_peer(silent) as gone:
        pass
    async with session(gone.url) as client:
        with pytest.raises(Unavailable, match=f"{gone.url} cannot be reached: .*refused"):
            await fetch(client, "GET", CheckVersion())


async def test_a_name_that_does_not_exist_is_named() -> None:
    async with session("https://registry.invalid") as client:
        with pytest.raises(Unavailable, match=r"host name of https://registry\.invalid"):
            await fetch(client, "GET", CheckVersion())


@pytest.mark.parametrize(
    "url,message",
    [
        ("registry.example.com", "is not the URL of a registry"),
        ("ftp://registry.example.com", "is not the URL of a registry"),
        ("https://", "is not the URL of a registry"),
        ("https://registry.example.com:x", "is not the URL of a registry"),
        ("https://registry.example.com/v2/", "ends with its host or port"),
        ("https://registry.example.com?x=1", "ends with its host or port"),
        ("http://registry.example.com", "is not encrypted"),
        ("http://10.0.0.1:5000", "is not encrypted"),
    ],
)
def test_a_url_that_is_not_a_registrys_is_refused(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClientOptions(url)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="has a user name; log in") as raised:
        ClientOptions("https://alice:secret@registry.example.com")
    assert "secret" not in str(raised.value)


def test_http_is_for_those_who_ask_for_it() -> None:
    assert ClientOptions("http://registry.lan:5000", insecure=True).origin.port == 5000


async def test_a_manifest_is_pushed_with_its_tags_in_the_query() -> None:
    async with peer(ok) as registry, session(registry.url) as client:
        endpoint = PushManifest("a", DIGEST, tags=("v1", "v2"))
        await fetch(client, "PUT", endpoint, body=b"{}")
    assert registry.targets == [f"PUT /v2/a/manifests/{DIGEST}?tag=v1&tag=v2"]
