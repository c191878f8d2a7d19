"""Uploads over HTTP: how bodies are sent, and what happens when a request fails."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from registry_core.client import HttpRegistry
from registry_core.client.chunks import CHUNK, ChunkLimits
from registry_core.client.uploads import SENT_WITH_PUT
from registry_core.registry import Chunk, Upload, UploadOutOfOrder
from registry_core.spec.digest import Digest
from registry_core.spec.errors import BlobUnknown, DigestInvalid, RegistryError, Unavailable
from tests.support.content import chunk, random_bytes

from .peers import QUICK, Peer, Received, peer, session

pytestmark = pytest.mark.anyio

CONTENT = random_bytes(3 * 2**20 + 17)
DIGEST = Digest.of(CONTENT)
SMALL = b"a small config"
UPLOADS = "/v2/a/blobs/uploads/"
LIMIT = {"OCI-Chunk-Max-Length": str(2**20)}


@dataclass
class Target:
    """A registry that takes one upload. ``faults`` are met in order, one by a request with a body.

    A fault gets what has arrived and the request's body, and returns what arrives, and the answer.
    """

    headers: dict[str, str] = field(default_factory=dict)
    faults: list[Callable[[bytes], tuple[bytes, web.Response]] | None] = field(default_factory=list)
    received: bytes = b""
    state: int = 0
    is_open: bool = True
    blob: bytes | None = None

    def __call__(self, request: Received) -> web.Response:
        if request.method == "HEAD":
            return web.Response(status=404) if self.blob is None else self._blob(self.blob)
        if request.method == "POST":
            return self._progress(202)
        if not self.is_open:
            return web.Response(status=404)
        answer: Callable[[Received], web.Response] = getattr(self, request.method.lower())
        return answer(request)

    def get(self, _request: Received) -> web.Response:
        return self._progress(204)

    def delete(self, _request: Received) -> web.Response:
        self.is_open = False
        return web.Response(status=204)

    def patch(self, request: Received) -> web.Response:
        return self._take(request) or self._progress(202)

    def put(self, request: Received) -> web.Response:
        refused = self._take(request) if request.body else None
        if refused:
            return refused
        digest = re.search("digest=([^&]*)", request.target)
        assert digest
        if str(Digest.of(self.received)) != digest[1]:
            return web.json_response({"errors": [{"code": "DIGEST_INVALID"}]}, status=400)
        self.blob, self.is_open = self.received, False
        return web.Response(status=201)

    def _take(self, request: Received) -> web.Response | None:
        place = request.headers.get("Content-Range")
        if place is not None and int(place.split("-")[0]) != len(self.received):
            return self._progress(416)
        fault = self.faults.pop(0) if self.faults else None
        arrived, answer = fault(request.body) if fault else (request.body, None)
        self.received += arrived
        return answer

    def _progress(self, status: int) -> web.Response:
        self.state += 1
        place = f"0-{max(len(self.received) - 1, 0)}"
        location = f"{UPLOADS}id?_state=opaque%2F{self.state}"
        return web.Response(
            status=status, headers={"Location": location, "Range": place, **self.headers}
        )

    @staticmethod
    def _blob(content: bytes) -> web.Response:
        return web.Response(headers={"Content-Length": str(len(content))})


def half_arrives(status: int) -> Callable[[bytes], tuple[bytes, web.Response]]:
    return lambda body: (body[: len(body) // 2], web.Response(status=status))


def answer_is_lost(body: bytes) -> tuple[bytes, web.Response]:
    return body, web.Response(status=502)


def nothing_arrives(_body: bytes) -> tuple[bytes, web.Response]:
    return b"", web.Response(status=503)


async def push(target: Target, content: bytes = CONTENT, digest: Digest | None = None) -> Peer:
    """Push a blob to the target."""
    async with peer(target) as running, session(running.url) as client:
        registry = HttpRegistry(client)
        upload = await registry.start_upload("a")
        done = await registry.finish_upload(upload, digest or Digest.of(content), chunk(content))
        assert done.size == len(content)
    return running


def bodies(served: Peer) -> list[tuple[str, int]]:
    """Return the requests that had a body, and how long it was."""
    return [(each.method, len(each.body)) for each in served.received if each.body]


async def test_a_small_blob_is_sent_with_the_put() -> None:
    served = await push(Target(), SMALL)
    assert [each.method for each in served.received] == ["POST", "PUT"]
    assert bodies(served) == [("PUT", len(SMALL))]


async def test_what_is_not_small_is_sent_in_chunked_coding_and_never_with_a_length() -> None:
    """The Functions host takes five times as long for a body with a length."""
    for headers in ({}, LIMIT, {"OCI-Chunk-Max-Length": str(2**23)}):
        served = await push(Target(headers=headers))
        for request in served.received:
            if len(request.body) > SENT_WITH_PUT // 2:
                assert "Content-Length" not in request.headers
                assert request.headers["Transfer-Encoding"] == "chunked"


async def test_a_registry_that_says_nothing_about_chunks_gets_one() -> None:
    served = await push(Target())
    assert bodies(served) == [("PATCH", len(CONTENT))]
    assert "Content-Range" not in served.received[1].headers


async def test_a_registry_that_limits_chunks_gets_no_larger_ones() -> None:
    served = await push(Target(headers=LIMIT))
    assert bodies(served) == [*[("PATCH", 2**20)] * 3, ("PUT", 17)]
    ranges = [each.headers.get("Content-Range") for each in served.received if each.body]
    assert ranges[:2] == ["0-1048575", "1048576-2097151"]


@pytest.mark.parametrize(
    "least, most, length",
    [
        (None, None, None),
        (None, 100, 100),
        (None, 10**12, CHUNK),
        (100, None, CHUNK),
        (CHUNK + 5, None, CHUNK + 5),
        (CHUNK + 5, 10**12, CHUNK + 5),
        (2**30, None, None),
    ],
)
def test_chunks_are_as_large_as_the_registry_wants_and_memory_allows(
    least: int | None, most: int | None, length: int | None
) -> None:
    assert ChunkLimits(least, most).length == length


async def test_the_query_of_a_location_is_returned_as_it_was() -> None:
    served = await push(Target(headers=LIMIT))
    states = [re.search(r"_state=([^&]*)", each.target) for each in served.received]
    assert [state and state[1] for state in states] == [
        None,
        "opaque%2F1",
        "opaque%2F2",
        "opaque%2F3",
        "opaque%2F4",
    ]


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
async def test_a_chunk_of_which_a_part_has_arrived_is_continued_from_there(status: int) -> None:
    target = Target(headers=LIMIT, faults=[None, half_arrives(status)])
    served = await push(target)
    assert target.blob == CONTENT
    assert bodies(served)[:4] == [*[("PATCH", 2**20)] * 2, ("PATCH", 2**19), ("PATCH", 2**20)]


async def test_a_chunk_whose_answer_is_lost_is_not_sent_twice() -> None:
    target = Target(headers=LIMIT, faults=[None, answer_is_lost, None, answer_is_lost])
    served = await push(target)
    assert target.blob == CONTENT
    assert bodies(served) == [*[("PATCH", 2**20)] * 3, ("PUT", 17)]


async def test_the_first_byte_of_an_upload_is_not_sent_twice() -> None:
    """``Range: 0-0`` says that nothing has arrived, or one byte."""
    limit = {"OCI-Chunk-Max-Length": "1"}
    target = Target(headers=limit, faults=[answer_is_lost, answer_is_lost])
    await push(target, b"abc")
    assert target.blob == b"abc"


async def test_a_chunk_that_never_arrives_fails_and_the_upload_is_cancelled() -> None:
    target = Target(headers=LIMIT, faults=[None, *[nothing_arrives] * 20])
    with pytest.raises(Unavailable):
        await push(target)
    assert not target.is_open
    assert len(target.faults) == 20 - QUICK.attempts


async def test_an_upload_that_is_finished_although_its_answer_was_lost_is_finished() -> None:
    class Losing(Target):
        def put(self, request: Received) -> web.Response:
            super().put(request)
            return web.Response(status=504)

    for content in (SMALL, CONTENT):
        target = Losing(headers=LIMIT)
        await push(target, content)
        assert target.blob == content


async def test_an_upload_that_is_gone_without_a_blob_fails() -> None:
    class Forgetful(Target):
        def put(self, request: Received) -> web.Response:
            self.is_open = False
            return web.Response(status=504)

    with pytest.raises(Unavailable, match="504"):
        await push(Forgetful())


async def test_a_body_of_another_content_is_refused_and_the_upload_cancelled() -> None:
    target = Target()
    with pytest.raises(DigestInvalid):
        await push(target, CONTENT, Digest.of(b"other"))
    assert not target.is_open


@pytest.mark.parametrize("headers", [{}, LIMIT])
@pytest.mark.parametrize("failure", [OSError("disk gone"), BlobUnknown("source: gone")])
async def test_a_failure_of_the_source_is_raised_as_it_is_and_the_upload_cancelled(
    headers: dict[str, str], failure: Exception
) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(10):  # more than is looked at before anything is sent
            yield bytes(2**20)
        raise failure

    said = str(failure)
    target = Target(headers=headers)
    async with peer(target) as running, session(running.url) as client:
        registry = HttpRegistry(client)
        upload = await registry.start_upload("a")
        with pytest.raises(type(failure)) as raised:
            await registry.finish_upload(upload, DIGEST, Chunk(body()))
    assert raised.value is failure
    assert str(failure) == said, "it does not name the target"
    assert not target.is_open
    assert target.blob is None


async def test_an_upload_is_continued_by_another_client_that_has_its_state() -> None:
    target = Target()
    async with peer(target) as running:
        async with session(running.url) as client:
            upload = await HttpRegistry(client).start_upload("a")
            upload = await HttpRegistry(client).append_upload(upload, chunk(CONTENT[:1000]))
        known = Upload("a", upload.id, 0, upload.state)
        async with session(running.url) as client:
            registry = HttpRegistry(client)
            current = await registry.get_upload(known)
            assert current.offset == 1000
            await registry.finish_upload(current, DIGEST, chunk(CONTENT[1000:]))
    assert target.blob == CONTENT


async def test_an_upload_that_another_client_has_continued_is_out_of_order() -> None:
    target = Target(headers=LIMIT)
    async with peer(target) as running, session(running.url) as client:
        registry = HttpRegistry(client)
        upload = await registry.start_upload("a")
        await registry.append_upload(upload, chunk(b"another client's"))
        with pytest.raises(UploadOutOfOrder) as error:
            await registry.append_upload(upload, chunk(CONTENT))
    assert error.value.upload.offset == len(b"another client's")
    assert target.is_open


@pytest.mark.parametrize("status, error", [(413, RegistryError), (401, RegistryError)])
async def test_a_refused_chunk_is_not_sent_again(status: int, error: type[RegistryError]) -> None:
    target = Target(headers=LIMIT, faults=[lambda _: (b"", web.Response(status=status))])
    with pytest.raises(error, match="/a: "):
        await push(target)
    assert not target.is_open


async def test_a_location_on_another_host_gets_no_credentials_and_must_be_safe() -> None:
    def answer(_: Received) -> web.Response:
        return web.Response(status=202, headers={"Location": "http://198.51.100.7/upload"})

    async with peer(answer) as running, session(running.url) as client:
        registry = HttpRegistry(client)
        upload = await registry.start_upload("a")
        with pytest.raises(Unavailable, match="not encrypted"):
            await registry.append_upload(upload, chunk(b"x"))


async def test_an_upload_without_a_location_is_refused() -> None:
    async with (
        peer(lambda _: web.Response(status=202)) as running,
        session(running.url) as client,
    ):
        with pytest.raises(Unavailable, match="the upload has no Location"):
            await HttpRegistry(client).start_upload("a")


async def test_an_upload_whose_location_is_not_a_url_is_refused() -> None:
    answer = web.Response(status=202, headers={"Location": "//["})
    async with peer(lambda _: answer) as running, session(running.url) as client:
        with pytest.raises(Unavailable, match="Location is not a valid URL"):
            await HttpRegistry(client).start_upload("a")


async def test_a_mount_that_begins_an_upload_instead_leaves_none() -> None:
    target = Target()
    async with peer(target) as running, session(running.url) as client:
        with pytest.raises(BlobUnknown, match=f"{DIGEST} cannot be mounted from b"):
            await HttpRegistry(client).mount_blob("a", DIGEST, "b")
    assert running.targets == [
        f"POST {UPLOADS}?mount={DIGEST}&from=b",
        f"DELETE {UPLOADS}id?_state=opaque%2F1",
    ]
    assert not target.is_open


async def test_a_range_that_is_off_by_one_does_not_stop_a_body_that_has_arrived() -> None:
    """The digest decides. Where the body is sent in chunks, each must begin where it belongs."""

    class OffByOne(Target):
        def patch(self, request: Received) -> web.Response:
            answer = super().patch(request)
            answer.headers["Range"] = f"0-{len(self.received)}"
            return answer

    target = OffByOne()
    await push(target)
    assert target.blob == CONTENT
    served = await push(OffByOne(headers=LIMIT))
    assert bodies(served) == [*[("PATCH", 2**20)] * 3, ("PUT", 17)]
    assert [each.method for each in served.received].count("GET") == 3
