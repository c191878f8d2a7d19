"""Blobs whose bytes our client stages straight to storage, and when it does not."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from registry_core.client import ClientOptions, HttpRegistry
from registry_core.client import staged_upload as module
from registry_core.client.staged_upload import MAX_BLOCK, MIN_BLOCK, BlockStager, block_length
from registry_core.object_store.memory import MemoryStore
from registry_core.registry import Chunk
from registry_core.spec.digest import Digest
from registry_core.spec.errors import Denied, DigestInvalid, Unavailable
from registry_core.spec.staging import STAGING, Staging
from registry_core.storage import ranged_reads
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.content import chunk, random_bytes, read_blob
from tests.support.eventually import eventually
from tests.support.served import Served
from tests.support.served_storage import ServedStore

from . import serving
from .peers import Received, peer, session
from .serving import client_of

pytestmark = pytest.mark.anyio

KIB = 2**10
CONTENT = random_bytes(20 * KIB + 3)
DIGEST = Digest.of(CONTENT)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_BLOCK", KIB)


class Storage(ServedStore):
    """Storage with faults: ``answers`` override those to the first requests; None does not.

    ``under_way``: the most requests that were there at the same time. Those after the first block
    are answered once ``together`` of them have been.
    """

    def __init__(self, server: Served) -> None:
        super().__init__(server)
        self.answers: list[int | None] = []
        self.now = self.under_way = 0
        self.hold = 0.0
        self.together = 0
        self._met = asyncio.Event()

    async def answer(self, request: Request) -> Response:
        self.now += 1
        self.under_way = max(self.under_way, self.now)
        try:
            await request.body()
            await self._meet(block_number(str(request.url)))
            await asyncio.sleep(self.hold)
            status = self.answers.pop(0) if self.answers else None
            return Response(status_code=status) if status else await super().answer(request)
        finally:
            self.now -= 1

    async def _meet(self, block: int) -> None:
        if self.under_way >= self.together:
            self._met.set()
        if block:
            async with asyncio.timeout(30):
                await self._met.wait()


@pytest.fixture
def storage(storage_server: Served) -> Storage:
    return Storage(storage_server)


@pytest.fixture
async def registry(server: Served, storage: Storage) -> AsyncIterator[HttpRegistry]:
    async with client_of(server, StoredRegistry(storage)) as registry:
        yield registry


def blocks_in(storage: Storage) -> list[int]:
    """Return the numbers of the blocks that storage was sent."""
    return [block_number(str(request.url)) for request in storage.requests]


def block_number(url: str) -> int:
    return int(b64decode(parse_qs(urlsplit(url).query)["blockid"][0]).decode().rpartition("-")[2])


async def push(registry: HttpRegistry, content: bytes = CONTENT) -> Digest:
    upload = await registry.start_upload("a")
    digest = Digest.of(content)
    done = await registry.finish_upload(upload, digest, chunk(content))
    assert (done.digest, done.size) == (digest, len(content))
    return digest


async def test_what_is_more_than_a_block_goes_straight_to_storage(
    registry: HttpRegistry, storage: Storage, server: Served
) -> None:
    await push(registry)
    assert await read_blob(registry, "a", DIGEST) == CONTENT
    assert sorted(blocks_in(storage)) == list(range(21))
    methods = [each.split()[0] for each in server.requests]
    assert methods[:4] == ["POST", "GET", "PUT", "HEAD"]
    assert not [each for each in server.requests if each.startswith("PATCH")]


async def test_what_fits_into_a_block_goes_to_the_registry(
    registry: HttpRegistry, storage: Storage
) -> None:
    await push(registry, CONTENT[:KIB])
    assert storage.requests == []


async def test_each_block_has_a_length_and_an_md5(registry: HttpRegistry, storage: Storage) -> None:
    """Without an MD5 Azurite, for one, computes a slower checksum."""
    await push(registry)
    for request in storage.requests:
        body = await request.body()
        number = block_number(str(request.url))
        assert body == CONTENT[number * KIB : (number + 1) * KIB]
        assert request.headers["Content-Length"] == str(len(body))
        md5 = b64encode(hashlib.md5(body).digest()).decode()
        assert request.headers["Content-MD5"] == md5


async def test_credentials_are_not_sent_to_storage(
    registry: HttpRegistry, storage: Storage
) -> None:
    await push(registry)
    assert not [each for each in storage.requests if "Authorization" in each.headers]


async def test_four_blocks_are_under_way_at_the_same_time(
    registry: HttpRegistry, storage: Storage
) -> None:
    storage.together, storage.hold = 4, 0.02
    await push(registry)
    assert storage.under_way == 4


async def test_what_all_uploads_have_under_way_is_bounded(
    registry: HttpRegistry, storage: Storage
) -> None:
    registry._staged.budget.capacity = 6 * KIB
    storage.together, storage.hold = 6, 0.02
    contents = [bytes([number]) + CONTENT for number in range(3)]
    await asyncio.gather(*(push(registry, content) for content in contents))
    assert storage.under_way == 6


async def test_a_block_that_fails_is_sent_again(registry: HttpRegistry, storage: Storage) -> None:
    storage.answers = [None, 500, 503, None, 502]
    await push(registry)
    assert len(blocks_in(storage)) == 24
    assert await read_blob(registry, "a", DIGEST) == CONTENT


async def test_a_block_that_fails_for_good_fails_the_push_and_nothing_is_left(
    registry: HttpRegistry, storage: Storage, server: Served
) -> None:
    storage.answers = [None, *[500] * 100]
    upload = await registry.start_upload("a")
    with pytest.raises(Unavailable, match="storage answered with status 500"):
        await registry.finish_upload(upload, DIGEST, chunk(CONTENT))
    assert not storage.objects
    assert server.requests[-1].startswith("DELETE /v2/a/blobs/uploads/")


async def test_a_source_that_fails_leaves_nothing(
    registry: HttpRegistry, storage: Storage, server: Served
) -> None:
    class SourceGone(Exception):
        pass

    async def body() -> AsyncIterator[bytes]:
        yield CONTENT
        raise SourceGone

    upload = await registry.start_upload("a")
    with pytest.raises(SourceGone):
        await registry.finish_upload(upload, DIGEST, Chunk(body()))
    assert not storage.objects
    assert server.requests[-1].startswith("DELETE /v2/a/blobs/uploads/")


async def test_a_push_that_is_cancelled_leaves_no_request_under_way_and_no_upload(
    registry: HttpRegistry, storage: Storage, server: Served
) -> None:
    storage.hold = 0.2

    async def body() -> AsyncIterator[bytes]:
        for start in range(0, len(CONTENT), KIB):
            yield CONTENT[start : start + KIB]

    upload = await registry.start_upload("a")
    task = asyncio.create_task(registry.finish_upload(upload, DIGEST, Chunk(body())))

    async def has_begun() -> bool:
        return len(storage.requests) >= 3

    await eventually(has_begun)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [each.split()[0] for each in server.requests][-1] == "DELETE"
    assert not storage.objects


async def test_storage_that_cannot_be_reached_is_not_tried_twice(
    registry: HttpRegistry, storage: Storage, server: Served
) -> None:
    """Not even for another blob: the bytes go to the registry."""
    storage.url = "http://127.0.0.1:1"
    for content in (CONTENT, CONTENT[::-1]):
        assert await read_blob(registry, "a", await push(registry, content)) == content
    assert len([each for each in server.requests if "staging=1" in each]) == 1


async def test_storage_that_refuses_the_client_is_not_used(
    registry: HttpRegistry, storage: Storage
) -> None:
    """Such as by a firewall. The first block is on its own, so that nothing is lost."""
    storage.answers = [403] * 100
    assert await read_blob(registry, "a", await push(registry)) == CONTENT
    assert set(blocks_in(storage)) == {0}


async def test_wrong_content_is_refused_and_discarded(
    registry: HttpRegistry, storage: Storage
) -> None:
    upload = await registry.start_upload("a")
    with pytest.raises(DigestInvalid):
        await registry.finish_upload(upload, Digest.of(b"other"), chunk(CONTENT))
    assert not storage.objects


async def test_a_registry_that_hashes_for_longer_than_a_request_is_asked_again(
    storage: Storage, server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """429 and Retry-After, as often as it takes."""
    monkeypatch.setattr(ranged_reads, "RANGE", 5 * KIB)
    async with client_of(server, StoredRegistry(storage, hash_seconds=0)) as registry:
        await push(registry)
    assert len([each for each in server.requests if "blocks=21" in each]) == 5


@dataclass
class Renewals:
    """Renews a staging; ``lifetimes`` are those of the stagings that it returns, in order."""

    staging: Staging
    lifetimes: list[timedelta] = field(default_factory=list)
    count: int = 0

    async def __call__(self) -> Staging | None:
        await asyncio.sleep(0.01)
        self.count += 1
        lifetime = self.lifetimes.pop(0) if self.lifetimes else HOUR
        url = f"{self.staging.url}&renewed={self.count}"
        return replace(self.staging, url=url, expires=datetime.now(UTC) + lifetime)


@asynccontextmanager
async def stager_of(
    storage: Storage, lifetime: timedelta, *, size: int | None = None
) -> AsyncIterator[tuple[BlockStager, Renewals]]:
    expires = datetime.now(UTC) + lifetime
    staging = Staging(f"{storage.url}/data?comp=block&sig=secret", expires, "0123456789abcdef")
    renewals = Renewals(staging)
    async with (
        session(storage.url) as client,
        BlockStager(client, staging, renewals, size=size) as stager,
    ):
        yield stager, renewals


@dataclass
class Clock:
    """A clock that a test sets, in seconds."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now


async def test_staging_is_renewed_once_for_all_blocks_before_it_expires(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When half of its time is over."""
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    async with stager_of(storage, HOUR) as (stager, renewals):
        for minutes, count in ((29, 0), (31, 1), (59, 1), (62, 2)):
            clock.now = minutes * 60
            await stager.add(CONTENT[: 5 * KIB])
            await stager.settle()
            assert renewals.count == count
        assert await stager.finish() == 20
    assert [f"renewed={n}" in str(storage.requests[i].url) for n, i in ((1, 5), (2, 15))] == [
        True
    ] * 2


async def test_staging_that_storage_refuses_is_renewed(storage: Storage) -> None:
    """The clocks differ, or the key that signed it was replaced."""
    storage.answers = [None, 403, 403]
    async with stager_of(storage, -HOUR) as (stager, renewals):
        await stager.add(CONTENT)
        assert await stager.finish() == 21
    assert renewals.count == 1
    assert len(storage.requests) == 23


async def test_a_registry_that_ends_staging_ends_the_push(storage: Storage) -> None:
    async def refuse() -> None:
        return None

    storage.answers = [403]
    expires = datetime.now(UTC) + HOUR
    staging = Staging(f"{storage.url}/data?comp=block", expires, "0123456789abcdef")
    async with session(storage.url) as client, BlockStager(client, staging, refuse) as stager:
        with pytest.raises(Unavailable, match="does not offer staging any more"):
            await stager.add(CONTENT)


async def test_a_block_that_storage_refuses_for_good_fails(storage: Storage) -> None:
    storage.answers = [403] * 100
    async with stager_of(storage, HOUR) as (stager, _):
        with pytest.raises(Denied, match="refuses to take content from this client"):
            await stager.add(CONTENT)


async def test_nothing_is_one_empty_block(storage: Storage) -> None:
    async with stager_of(storage, HOUR) as (stager, _):
        assert await stager.finish() == 1
    assert [await each.body() for each in storage.requests] == [b""]


async def test_blocks_are_cut_however_the_bytes_come(storage: Storage) -> None:
    for piece in (1000, KIB, 5000):
        storage.requests.clear()
        async with stager_of(storage, HOUR, size=len(CONTENT)) as (stager, _):
            for start in range(0, len(CONTENT), piece):
                await stager.add(memoryview(CONTENT)[start : start + piece])
            assert await stager.finish() == 21
        sent = {block_number(str(each.url)): await each.body() for each in storage.requests}
        assert b"".join(sent[number] for number in sorted(sent)) == CONTENT


def test_blocks_grow_with_the_blob_from_8_to_64_mib(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that 5,000 are enough for 100 GiB, and four of them fit into memory."""
    monkeypatch.setattr(module, "MIN_BLOCK", 8 * 2**20)
    assert block_length(0) == block_length(2**30) == 8 * 2**20 == MIN_BLOCK
    assert block_length(16 * 2**30) == 32 * 2**20
    assert block_length(100 * 2**30) == block_length(2**40) == 64 * 2**20 == MAX_BLOCK


async def test_the_number_of_blocks_is_bounded(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_BLOCKS", 3)
    async with stager_of(storage, HOUR) as (stager, _):
        with pytest.raises(Exception, match="more than 3 blocks"):
            await stager.add(CONTENT)


async def test_a_registry_without_staging_answers_as_any_and_gets_the_bytes(
    server: Served,
) -> None:
    async with client_of(server, StoredRegistry(MemoryStore())) as registry:
        upload = await registry.start_upload("a")
        assert await registry.open_staging(upload) is None
        assert await read_blob(registry, "a", await push(registry)) == CONTENT


@pytest.mark.parametrize("status", [400, 403, 404, 405, 500])
async def test_a_registry_that_refuses_to_say_where_blocks_are_staged_gets_the_bytes(
    server: Served, storage: Storage, status: int
) -> None:
    """Some do not have that request at all."""
    application = serving.application(StoredRegistry(storage))

    async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
        app: ASGIApp = application
        if b"staging=1" in scope["query_string"]:
            app = Response(status_code=status)
        await app(scope, receive, send)

    url = server.use(refusing)
    async with HttpRegistry.open(ClientOptions(url, retries=serving.QUICK)) as registry:
        assert await read_blob(registry, "a", await push(registry)) == CONTENT
    assert storage.requests == []


async def test_a_registry_without_staging_is_asked_once_only(server: Served) -> None:
    async with client_of(server, StoredRegistry(MemoryStore())) as registry:
        for content in (CONTENT, CONTENT[::-1], CONTENT[1:]):
            await push(registry, content)
    assert len([each for each in server.requests if "staging=1" in each]) == 1


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"url": "u", "prefix": "p", "expires": "now"}'])
async def test_staging_that_is_malformed_is_the_registrys_fault(body: str) -> None:
    async def answer(request: Received) -> web.StreamResponse:
        if request.method == "GET":
            return web.Response(text=body, content_type=STAGING)
        return web.Response(status=202, headers={"Location": "/v2/a/blobs/uploads/id?_state=s"})

    async with peer(answer) as served, session(served.url) as client:
        registry = HttpRegistry(client)
        upload = await registry.start_upload("a")
        with pytest.raises(Unavailable, match="where to stage blocks"):
            await registry.open_staging(upload)


async def test_staging_to_a_place_that_only_the_client_can_reach_is_refused(
    server: Served, storage: Storage
) -> None:
    """A hostile registry could let it write to the services of its network."""
    storage.url = "http://169.254.169.254"
    async with client_of(server, StoredRegistry(storage)) as registry:
        assert await read_blob(registry, "a", await push(registry)) == CONTENT


@pytest.mark.parametrize(
    "url", ["https://169.254.169.254/x?sig=s", "http://10.0.0.1/x?sig=s", "ftp://a/x", "https://"]
)
async def test_staging_where_a_registry_may_not_send_its_clients_is_none(url: str) -> None:
    """Whoever stages otherwise than with the registry's session gets no such URL."""
    staging = Staging(url, datetime.now(UTC) + timedelta(hours=1), "p")

    async def answer(request: Received) -> web.StreamResponse:
        if request.method == "GET":
            return web.Response(body=staging.to_json(), content_type=STAGING)
        return web.Response(status=202, headers={"Location": "/v2/a/blobs/uploads/id?_state=s"})

    async with peer(answer) as served, session(served.url) as client:
        registry = HttpRegistry(client)
        assert await registry.open_staging(await registry.start_upload("a")) is None


async def test_an_upload_on_another_host_is_not_asked_for_staging() -> None:
    """Its Location has a signature for one kind of request, perhaps."""

    def answer(_: Received) -> web.StreamResponse:
        location = {"Location": "https://storage.example/upload?sig=s"}
        return web.Response(status=202, headers=location)

    async with peer(answer) as served, session(served.url) as client:
        registry = HttpRegistry(client)
        upload = await registry.start_upload("a")
        assert await registry.open_staging(upload) is None
    assert [each.method for each in served.received] == ["POST"]
