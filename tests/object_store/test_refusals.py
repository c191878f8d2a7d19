"""What storage refuses reaches a client as an answer that it does not repeat for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from aiohttp import web

from registry_core.app import build_application, build_registry
from registry_core.config import AzureStorage, Settings
from registry_core.object_store.azure import AzureBlobStore, Limits
from registry_core.object_store.azure.errors import HierarchicalNamespace
from registry_core.serve.azurite import Azurite
from registry_core.spec.media_types import OCI_MANIFEST
from registry_core.storage.stored_registry import StoredRegistry
from tests.support.azurite import opened, opened_at
from tests.support.content import image_manifest, push_image
from tests.support.in_process import client_of
from tests.support.refusing_storage import (
    ARCHIVED,
    IMMUTABLE,
    LEASED,
    VERSION_UNKNOWN,
    Refusal,
    RefusingStorage,
)
from tests.support.wire import assert_error

pytestmark = pytest.mark.anyio

SETTINGS = Settings(AzureStorage("unused"), "a secret for tests, long enough")
MANIFEST = "/v2/a/manifests/v1"
LIMITS = Limits(first_delay=0.01)


@pytest.fixture
def storage(azurite: Azurite) -> Iterator[RefusingStorage]:
    with RefusingStorage(azurite) as storage:
        yield storage


@pytest.fixture
async def store(storage: RefusingStorage, container_name: str) -> AsyncIterator[AzureBlobStore]:
    async with opened_at(storage.port, container_name, limits=LIMITS) as store:
        yield store


@pytest.fixture
async def client(
    azurite: Azurite, store: AzureBlobStore, container_name: str
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a registry on a new instance, in which the tag v1 of repository a is there."""
    async with opened(azurite, container_name) as direct:
        await push_image(StoredRegistry(direct), "a", "v1", [b"layer"])
    application = build_application(SETTINGS, build_registry(SETTINGS, store))
    async with client_of(application) as client:
        yield client


def reads_content(request: web.BaseRequest) -> bool:
    return request.method == "GET" and request.path.endswith("/data")


async def test_an_archived_manifest_cannot_be_pulled_and_the_log_says_what_to_do(
    client: httpx.AsyncClient, storage: RefusingStorage, caplog: pytest.LogCaptureFixture
) -> None:
    storage.refuse = lambda request: ARCHIVED if reads_content(request) else None
    answer = await client.get(MANIFEST)
    assert "archive tier" in assert_error(answer, 403, "DENIED")
    assert "Retry-After" not in answer.headers
    assert "blobs/sha256" not in answer.text
    assert storage.refused == 1
    assert "/data: 409 BlobArchived (request made-up): " in caplog.text
    assert "rehydrate it" in caplog.text
    storage.refuse = lambda _: None
    assert (await client.get(MANIFEST)).status_code == 200


@pytest.mark.parametrize(
    "refusal, public", [(IMMUTABLE, "immutability policy"), (LEASED, "locked this object")]
)
async def test_a_tag_that_storage_does_not_let_anybody_move_is_refused(
    client: httpx.AsyncClient, storage: RefusingStorage, refusal: Refusal, public: str
) -> None:
    storage.refuse = lambda request: (
        refusal if request.method == "PUT" and "/current/link" in request.path else None
    )
    manifest = image_manifest(b"layer", annotations={"another": "manifest"})
    answer = await client.put(MANIFEST, content=manifest, headers={"Content-Type": OCI_MANIFEST})
    assert public in assert_error(answer, 403, "DENIED")
    assert "Retry-After" not in answer.headers
    assert storage.refused == 1


async def test_an_unknown_version_of_the_protocol_stays_unavailable_and_names_the_setting(
    client: httpx.AsyncClient, storage: RefusingStorage, caplog: pytest.LogCaptureFixture
) -> None:
    storage.refuse = lambda _: VERSION_UNKNOWN
    answer = await client.get(MANIFEST)
    assert_error(answer, 503, "UNAVAILABLE")
    assert answer.headers["Retry-After"]
    assert "set REGISTRY_STORAGE_AZURE_APIVERSION to an older one" in caplog.text
    assert storage.refused == 1


async def test_an_account_with_directories_is_found(
    store: AzureBlobStore, storage: RefusingStorage
) -> None:
    storage.headers = {"x-ms-is-hns-enabled": "true"}
    with pytest.raises(HierarchicalNamespace):
        await store.check_namespace()


@pytest.mark.parametrize("headers", [{}, {"x-ms-is-hns-enabled": "false"}])
async def test_an_account_without_directories_passes(
    store: AzureBlobStore, storage: RefusingStorage, headers: dict[str, str]
) -> None:
    storage.headers = headers
    await store.check_namespace()


async def test_an_identity_need_not_have_the_right_to_ask(
    store: AzureBlobStore, storage: RefusingStorage
) -> None:
    storage.refuse = lambda _: Refusal(403, "AuthorizationPermissionMismatch")
    await store.check_namespace()
    assert storage.refused == 1
