"""Blobs that the target's storage fetches by itself, on Azurite, which copies from itself only."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from registry_core.client import ClientOptions, Session
from registry_core.client.answers import Answer
from registry_core.client.options import Retries
from registry_core.client.storage_fetch import PIECE, StorageFetcher
from registry_core.registry import Blob, Body
from registry_core.serve.azurite import Azurite
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.staging import Staging
from registry_core.storage.stored_registry import StoredRegistry
from registry_core.transfer.copy import copy_manifest
from registry_core.transfer.place import Place
from registry_core.transfer.report import Outcome
from registry_core.transfer.run import CopyRun
from tests.support.azurite import create_container, everything_in, opened
from tests.support.content import push_image, random_bytes, read_blob

pytestmark = pytest.mark.anyio

LARGE = random_bytes(1_000_000)
DIGEST = Digest.of(LARGE)


@dataclass
class OneSession:
    """Sessions with one storage, whatever the URL."""

    session: Session

    async def to(self, url: str) -> Session:
        return self.session


@asynccontextmanager
async def session_with(azurite: Azurite) -> AsyncIterator[OneSession]:
    url = azurite.service_url.rpartition("/")[0]
    options = ClientOptions(url, retries=Retries(attempts=1))
    async with Session.open(options) as session:
        yield OneSession(session)


@dataclass
class Both:
    """Two registries on one Azurite, in a container each."""

    source: StoredRegistry
    target: StoredRegistry
    container: str
    sessions: OneSession


@pytest.fixture
async def both(azurite: Azurite) -> AsyncIterator[Both]:
    containers = create_container(azurite), create_container(azurite)
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(opened(azurite, name)) for name in containers]
        source, target = map(StoredRegistry, stores)
        await push_image(source, "app", "v1", [LARGE])
        sessions = await stack.enter_async_context(session_with(azurite))
        yield Both(source, target, containers[1], sessions)


@dataclass
class Altered:
    """A blob whose URLs are others than its own."""

    blob: Blob
    alter: Callable[[str, int], str | None]
    asked: int = 0

    @property
    def descriptor(self) -> Descriptor:
        return self.blob.descriptor

    async def url(self) -> str | None:
        url = await self.blob.url()
        assert url is not None
        self.asked += 1
        return self.alter(url, self.asked)

    async def read(self, offset: int, length: int) -> Body:
        return await self.blob.read(offset, length)


@dataclass
class Fetched:
    """A staging of the target, and what happened to it."""

    blocks: int | None = None
    counted: list[int] = field(default_factory=list)
    renewed: int = 0


async def fetch(both: Both, blob: Blob, fetcher: StorageFetcher) -> Fetched:
    """Have the target's storage fetch a blob, and finish the upload if it did."""
    upload = await both.target.start_upload("copy/app")
    staging = await both.target.open_staging(upload)
    assert staging is not None
    done = Fetched()

    async def renew() -> Staging:
        done.renewed += 1
        renewed = await both.target.open_staging(upload)
        assert renewed is not None
        return renewed

    done.blocks = await fetcher.fetch(blob, staging, renew, done.counted.append)
    if done.blocks is not None:
        await both.target.finish_staged_upload(upload, DIGEST, done.blocks)
        assert await read_blob(both.target, "copy/app", DIGEST) == LARGE
    return done


async def test_a_copy_has_storage_fetch_the_large_blob(both: Both) -> None:
    run = CopyRun(fetcher=StorageFetcher(both.sessions.to), must_fetch=True)
    source, target = Place(both.source, "app", "source"), Place(both.target, "copy", "target")
    report = await copy_manifest(source, "v1", target, ["v1"], run=run)
    assert report.blobs[Outcome.FETCHED].size == len(LARGE)
    assert report.bytes_read < 100
    assert await read_blob(both.target, "copy", DIGEST) == LARGE


async def test_a_blob_is_fetched_in_blocks_at_the_same_time(both: Both) -> None:
    blob = await both.source.open_blob("app", DIGEST)
    done = await fetch(both, blob, StorageFetcher(both.sessions.to, piece=300_000))
    assert done.blocks == 4
    assert sorted(done.counted) == [100_000, 300_000, 300_000, 300_000]
    assert PIECE == 100 * 2**20


@pytest.mark.parametrize(
    "alter",
    [
        pytest.param(lambda *_: None, id="the source does not redirect"),
        pytest.param(lambda url, _: url + "&" + "x" * 2048, id="the URL is too long"),
        pytest.param(lambda url, _: url[:-8], id="the signature is not valid"),
        pytest.param(lambda *_: "https://elsewhere.example/x", id="it is on another host"),
    ],
)
async def test_what_storage_cannot_fetch_is_said(
    both: Both, azurite: Azurite, alter: Callable[[str, int], str | None]
) -> None:
    blob = Altered(await both.source.open_blob("app", DIGEST), alter)
    done = await fetch(both, blob, StorageFetcher(both.sessions.to, piece=300_000))
    assert done == Fetched()
    assert not [each for each in everything_in(azurite, both.container) if each.size]


@dataclass
class Refusing:
    """Sessions with one storage, which refuses to read some ranges of the source."""

    session: Session
    refuses: Callable[[str, int], bool]
    refused: int = 0

    async def to(self, url: str) -> Session:
        return cast("Session", self)

    def request(
        self, method: str, target: str, *, headers: Mapping[str, str], **options: Any
    ) -> AbstractAsyncContextManager[Answer]:
        if self.refuses(headers["x-ms-source-range"], self.refused):
            self.refused += 1
            headers = {**headers, "x-ms-copy-source": headers["x-ms-copy-source"][:-8]}
        return self.session.request(method, target, headers=headers, **options)


async def test_a_url_that_expires_while_blocks_are_fetched_is_renewed(both: Both) -> None:
    """The first block is fetched with a URL that is refused after that."""
    blob = Altered(await both.source.open_blob("app", DIGEST), lambda url, _: url)
    sessions = Refusing(
        both.sessions.session, lambda range_, refused: "300000-" in range_ and not refused
    )
    done = await fetch(both, blob, StorageFetcher(sessions.to, piece=300_000, parallel=1))
    assert (done.blocks, done.renewed, blob.asked, sessions.refused) == (4, 1, 2, 1)


async def test_what_stays_refused_ends_the_fetching(both: Both) -> None:
    blob = Altered(await both.source.open_blob("app", DIGEST), lambda url, _: url)
    sessions = Refusing(both.sessions.session, lambda range_, _: "bytes=0-" not in range_)
    done = await fetch(both, blob, StorageFetcher(sessions.to, piece=300_000, parallel=1))
    assert (done.blocks, done.counted) == (None, [300_000])


async def test_storage_that_cannot_be_reached_fetches_nothing(both: Both) -> None:
    blob = await both.source.open_blob("app", DIGEST)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    options = ClientOptions(f"http://127.0.0.1:{port}", retries=Retries(attempts=1))

    async def renew() -> Staging:
        raise AssertionError

    async with Session.open(options) as session:
        staging = Staging(f"http://127.0.0.1:{port}/x?a=b", datetime.now(UTC), "b")
        fetcher = StorageFetcher(OneSession(session).to)
        assert await fetcher.fetch(blob, staging, renew, lambda _: None) is None
