"""The form of names in the container: with or without a slash in front of all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from registry_core.config import ROOT_DIRECTORY, AzureStorage, Settings
from registry_core.server.application import Application
from registry_core.server.opening import OpenedByUse
from registry_core.spec.digest import Digest
from registry_core.storage.layout import Layout
from registry_core.storage.memory import MemoryStore
from registry_core.storage.object_store import Page, StoreUnavailable
from registry_core.storage.root import RootAmbiguous, find_root
from registry_core.wiring import build_application, build_registry, settle_root
from tests.support.asgi import asgi
from tests.support.counting import CountingStore
from tests.support.wire import assert_error

pytestmark = pytest.mark.anyio

SETTINGS = Settings(AzureStorage("unused"), "a secret for tests, long enough", redirect=False)

Written = Callable[[Layout], str]
"""Something that the registry, or another one, has written."""

ANY_PATH = pytest.mark.parametrize(
    "written",
    [
        lambda layout: layout.content(Digest.of(b"")),
        lambda layout: layout.blob_link("repository", Digest.of(b"")),
        lambda layout: layout.catalog_marker("repository"),
    ],
    ids=["content", "link", "marker"],
)


@ANY_PATH
@pytest.mark.parametrize("root", ["", "/"])
async def test_names_are_gone_on_with_as_they_began(root: str, written: Written) -> None:
    store = MemoryStore()
    await store.put(written(Layout(root)), b"x")
    assert await find_root(store, setting="SETTING") == root


async def test_a_new_container_has_names_without_a_slash(store: CountingStore) -> None:
    """And it takes two listings to know."""
    assert await find_root(store, setting="SETTING") == ""
    assert store.calls == [
        ("list_page", "docker/registry/v2/"),
        ("list_page", "/docker/registry/v2/"),
    ]


async def test_other_things_in_the_container_are_not_looked_at(memory: MemoryStore) -> None:
    await memory.put("docker/readme", b"x")
    await memory.put("/docker/registry/v1/x", b"x")
    await memory.put("backup/docker/registry/v2/blobs", b"x")
    assert await find_root(memory, setting="SETTING") == ""


@ANY_PATH
async def test_a_container_with_both_forms_is_reported(
    memory: MemoryStore, written: Written
) -> None:
    for root in ("", "/"):
        await memory.put(written(Layout(root)), b"x")
    with pytest.raises(RootAmbiguous) as caught:
        await find_root(memory, setting="SETTING")
    for told in ("'docker/registry/v2/'", "'/docker/registry/v2/'", "set SETTING to"):
        assert told in str(caught.value)


@dataclass
class Opening:
    """Opens applications over a store as `wiring.Host` does, and counts how often it was asked."""

    store: CountingStore
    settings: Settings = SETTINGS
    count: int = 0
    application: OpenedByUse = field(init=False)

    def __post_init__(self) -> None:
        self.application = OpenedByUse(self._open)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(asgi(self.application)), base_url="http://registry.test"
        )

    async def _open(self) -> Application:
        self.count += 1
        settings = await settle_root(self.settings, self.store)
        return build_application(settings, build_registry(settings, self.store))


async def test_first_requests_that_come_together_look_once(store: CountingStore) -> None:
    opening = Opening(store)
    async with opening.client as client:
        answers = await asyncio.gather(*(client.get("/v2/") for _ in range(5)))
        await client.get("/v2/")
    assert [answer.status_code for answer in answers] == [200] * 5
    assert opening.count == 1
    assert store.take() == ["list_page"] * 2


async def test_nobody_looks_where_the_root_is_set(
    store: CountingStore, memory: MemoryStore
) -> None:
    settings = Settings(SETTINGS.storage, SETTINGS.http_secret, root="some/folder/")
    async with Opening(store, settings).client as client:
        assert (await client.get("/v2/")).status_code == 200
        assert store.calls == []
        await client.post("/v2/a/blobs/uploads/", params={"digest": str(Digest.of(b""))})
    assert {path.partition("docker/")[0] for path in memory.objects} == {"some/folder/"}


async def test_both_forms_make_every_request_unavailable_until_one_is_gone(
    store: CountingStore, memory: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    for root in ("", "/"):
        await memory.put(Layout(root).catalog_marker("repository"), b"")
    opening = Opening(store)
    async with opening.client as client:
        for path in ("/", "/v2/", "/v2/_catalog"):
            caplog.clear()
            message = assert_error(await client.get(path), 503, "UNAVAILABLE")
            assert f"set {ROOT_DIRECTORY} to" in message
            [line] = caplog.messages
            assert message in line
        await memory.delete(Layout("").catalog_marker("repository"))
        answer = await client.get("/v2/_catalog")
    assert answer.json() == {"repositories": ["repository"]}


class Silent(CountingStore):
    """A store that does not answer listings, for a while."""

    is_silent = True

    async def list_page(self, prefix: str, **options: Any) -> Page:
        if self.is_silent:
            raise StoreUnavailable("no answer")
        return await super().list_page(prefix, **options)


async def test_a_storage_fault_while_looking_is_tried_again_by_the_next_request(
    memory: MemoryStore,
) -> None:
    store = Silent(memory)
    async with Opening(store).client as client:
        answer = await client.get("/v2/")
        assert_error(answer, 503, "UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) > 0
        store.is_silent = False
        assert (await client.get("/v2/")).status_code == 200


async def test_a_client_that_hangs_up_does_not_stop_what_others_wait_for(
    memory: MemoryStore,
) -> None:
    go_on = asyncio.Event()

    async def open_slowly() -> Application:
        await go_on.wait()
        return build_application(SETTINGS, build_registry(SETTINGS, memory))

    app = asgi(OpenedByUse(open_slowly))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://registry.test"
    ) as client:
        first = asyncio.create_task(client.get("/v2/"))
        second = asyncio.create_task(client.get("/v2/"))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        go_on.set()
        assert (await second).status_code == 200
    assert first.cancelled()


async def test_a_shut_application_is_opened_again(store: CountingStore) -> None:
    opening = Opening(store)
    async with opening.client as client:
        await client.get("/v2/")
        await opening.application.shut()
        assert (await client.get("/v2/")).status_code == 200
    assert opening.count == 2
