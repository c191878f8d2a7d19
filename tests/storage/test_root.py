"""The root of the container: with or without a leading slash, found on the first request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from registry_core.app import RegistryApp
from registry_core.config import ROOT_DIRECTORY, AzureStorage, Settings, read_settings
from registry_core.object_store.errors import StoreUnavailable
from registry_core.object_store.interface import ObjectStore, Page
from registry_core.object_store.memory import MemoryStore
from registry_core.spec.digest import Digest
from registry_core.storage.layout import Layout
from registry_core.storage.root import RootAmbiguous, find_root
from tests.support.access_modes import htpasswd
from tests.support.counting import CountingStore
from tests.support.wire import assert_error, reference_in

pytestmark = pytest.mark.anyio

SETTINGS = Settings(
    AzureStorage("unused"), "a secret for tests, which is long enough", redirect=False
)

Written = Callable[[Layout], str]
"""Returns the path of something that this registry or another one has written."""

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
async def test_the_root_of_an_existing_registry_is_found(root: str, written: Written) -> None:
    store = MemoryStore()
    await store.put(written(Layout(root)), b"x")
    assert await find_root(store, setting="SETTING") == root


async def test_a_new_container_has_no_leading_slash(store: CountingStore) -> None:
    """Two listings find out."""
    assert await find_root(store, setting="SETTING") == ""
    assert store.calls == [
        ("list_page", "docker/registry/v2/"),
        ("list_page", "/docker/registry/v2/"),
    ]


async def test_other_objects_in_the_container_are_ignored(memory: MemoryStore) -> None:
    await memory.put("docker/readme", b"x")
    await memory.put("/docker/registry/v1/x", b"x")
    await memory.put("backup/docker/registry/v2/blobs", b"x")
    assert await find_root(memory, setting="SETTING") == ""


@ANY_PATH
async def test_a_container_with_both_roots_is_reported(
    memory: MemoryStore, written: Written
) -> None:
    for root in ("", "/"):
        await memory.put(written(Layout(root)), b"x")
    with pytest.raises(RootAmbiguous) as caught:
        await find_root(memory, setting="SETTING")
    for text in ("'docker/registry/v2/'", "'/docker/registry/v2/'", "set SETTING to"):
        assert text in str(caught.value)


class Client(httpx.AsyncClient):
    """A client of a new instance of the app, over a store."""

    def __init__(self, store: ObjectStore, settings: Settings = SETTINGS) -> None:
        self.app = RegistryApp(settings, lambda _: store)
        transport = httpx.ASGITransport(self.app.application)
        super().__init__(transport=transport, base_url="http://registry.test")

    async def until_settled(self) -> None:
        """Wait until storage is open, or cannot be opened."""
        opening = self.app._registry._task
        assert opening is not None
        await asyncio.wait([opening])

    async def list_catalog(self) -> httpx.Response:
        return await self.get("/v2/_catalog")


async def test_concurrent_first_requests_look_once(store: CountingStore) -> None:
    async with Client(store) as client:
        answers = await asyncio.gather(*(client.list_catalog() for _ in range(5)))
        looked = [path for method, path in store.calls if path == Layout("/").base]
        await client.list_catalog()
    assert [answer.status_code for answer in answers] == [200] * 5
    assert len(looked) == 1
    assert store.take() == ["list_page"] * (2 + 6)


async def test_the_version_check_is_answered_before_storage_is_open(
    memory: MemoryStore,
) -> None:
    """end-1: storage is opened in the background, for the next request."""
    store = Slow(memory)
    async with Client(store) as client:
        assert (await client.get("/v2/")).status_code == 200
        await store.listed.wait()
        store.go_on.set()
        assert (await client.list_catalog()).status_code == 200


async def test_a_caller_without_access_causes_no_storage_calls(
    store: CountingStore,
) -> None:
    users = {"REGISTRY_AUTH": "htpasswd", "REGISTRY_AUTH_HTPASSWD_PATH": htpasswd(["alice"])}
    settings = read_settings(
        {
            "REGISTRY_STORAGE_AZURE_ACCOUNTNAME": "unused",
            "REGISTRY_STORAGE_AZURE_CONTAINER": "unused",
            "REGISTRY_HTTP_SECRET": SETTINGS.http_secret,
            **users,
        }
    )
    async with Client(store, settings) as client:
        for _ in range(3):
            assert (await client.list_catalog()).status_code == 401
        await client.until_settled()
    assert store.take() == ["list_page"] * 2


async def test_a_root_that_is_set_is_not_looked_for(
    store: CountingStore, memory: MemoryStore
) -> None:
    settings = replace(SETTINGS, root="some/folder/")
    async with Client(store, settings) as client:
        assert (await client.get("/v2/")).status_code == 200
        assert store.calls == []
        await client.post("/v2/a/blobs/uploads/", params={"digest": str(Digest.of(b""))})
    assert {path.partition("docker/")[0] for path in memory.objects} == {"some/folder/"}


async def test_two_roots_make_storage_unavailable_until_one_is_gone(
    store: CountingStore, memory: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    for root in ("", "/"):
        await memory.put(Layout(root).catalog_marker("repository"), b"")
    async with Client(store) as client:
        for path in ("/v2/_catalog", "/v2/repository/tags/list"):
            caplog.clear()
            message = assert_error(await client.get(path), 503, "UNAVAILABLE")
            [line] = caplog.messages
            assert f"set {ROOT_DIRECTORY} to" in line
            assert reference_in(message) in line
        await memory.delete(Layout("").catalog_marker("repository"))
        answer = await client.list_catalog()
    assert answer.json() == {"repositories": ["repository"]}


async def test_a_problem_with_storage_is_reported_before_a_request_needs_it(
    store: CountingStore, memory: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    """end-1: in the log, and then by every answer until it is solved."""
    for root in ("", "/"):
        await memory.put(Layout(root).catalog_marker("repository"), b"")
    async with Client(store) as client:
        assert (await client.get("/v2/")).status_code == 200
        await client.until_settled()
        [line] = caplog.messages
        assert f"set {ROOT_DIRECTORY} to" in line
        message = assert_error(await client.get("/v2/"), 503, "UNAVAILABLE")
        assert f"reference={reference_in(message)}" in caplog.messages[1]
        assert f"set {ROOT_DIRECTORY} to" in caplog.messages[1]
        await memory.delete(Layout("").catalog_marker("repository"))
        assert (await client.get("/v2/")).status_code == 200


class Silent(CountingStore):
    """A store that does not answer listings while ``is_silent``."""

    is_silent = True

    async def list_page(self, prefix: str, **options: Any) -> Page:
        if self.is_silent:
            raise StoreUnavailable("no answer")
        return await super().list_page(prefix, **options)


async def test_after_a_storage_fault_the_next_request_looks_again(
    memory: MemoryStore,
) -> None:
    store = Silent(memory)
    async with Client(store) as client:
        answer = await client.list_catalog()
        assert_error(answer, 503, "UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) > 0
        store.is_silent = False
        assert (await client.list_catalog()).status_code == 200


class Slow(CountingStore):
    """A store that answers listings once ``go_on`` is set, and sets ``listed`` before."""

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self.listed = asyncio.Event()
        self.go_on = asyncio.Event()

    async def list_page(self, prefix: str, **options: Any) -> Page:
        self.listed.set()
        await self.go_on.wait()
        return await super().list_page(prefix, **options)


async def test_a_client_that_disconnects_does_not_stop_what_others_wait_for(
    memory: MemoryStore,
) -> None:
    store = Slow(memory)
    async with Client(store) as client:
        first = asyncio.create_task(client.list_catalog())
        second = asyncio.create_task(client.list_catalog())
        await store.listed.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        store.go_on.set()
        assert (await second).status_code == 200
    assert first.cancelled()


async def test_storage_is_opened_again_after_closing(store: CountingStore) -> None:
    async with Client(store) as client:
        await client.list_catalog()
        await client.app.close()
        assert (await client.list_catalog()).status_code == 200
    assert store.take() == ["list_page"] * 3 * 2


async def test_closing_cancels_an_opening_in_progress(memory: MemoryStore) -> None:
    store = Slow(memory)
    async with Client(store) as client:
        waiting = asyncio.create_task(client.list_catalog())
        await store.listed.wait()
        await client.app.close()
        assert_error(await waiting, 503, "UNAVAILABLE")
