"""Bodies over the host's limit are refused before they are read."""

from collections.abc import AsyncIterator

import httpx
import pytest

from registry_core.app import build_application, build_registry
from registry_core.config import AzureStorage, Settings, read_settings
from registry_core.object_store.memory import MemoryStore
from registry_core.server.bodies import LIMIT_SETTING
from registry_core.spec.digest import Digest
from tests.support.wire import Wire, assert_error

pytestmark = pytest.mark.anyio

LIMIT = 1000
SETTINGS = Settings(
    AzureStorage("unused"),
    "a secret for tests, which is long enough",
    redirect=False,
    body_limit=LIMIT,
)
NEEDED = {
    "REGISTRY_STORAGE_AZURE_ACCOUNTNAME": "unused",
    "REGISTRY_STORAGE_AZURE_CONTAINER": "unused",
    "REGISTRY_HTTP_SECRET": SETTINGS.http_secret,
    "REGISTRY_AUTH": "none",
}


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    memory = MemoryStore()
    app = build_application(SETTINGS, build_registry(SETTINGS, memory))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://registry.test"
    ) as client:
        yield Wire(client, "a", lambda: set(memory.objects))


class Unread:
    """A body that must not be read."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")


async def test_a_body_over_the_limit_is_413_with_a_hint_and_not_read(wire: Wire) -> None:
    location = await wire.start()
    headers = {"Content-Length": str(LIMIT + 1)}
    digest = str(Digest.of(bytes(LIMIT + 1)))
    for method, url in [
        ("PATCH", location),
        ("PUT", f"{location}&digest={digest}"),
        ("PUT", "/v2/a/manifests/v1"),
    ]:
        with wire.nothing_new_in_storage():
            answer = await wire.client.request(method, url, content=Unread(), headers=headers)
        message = assert_error(answer, 413, "SIZE_INVALID")
        for way in ("moorage relay", "containerd 2.2", "PATCH", LIMIT_SETTING):
            assert way in message
        assert len(message) < 400


async def test_a_new_upload_says_how_long_a_chunk_may_be(wire: Wire) -> None:
    """Also one that was to be a mount. Chunks have no smallest length."""
    for query in ("", f"?mount={Digest.of(b'x')}&from=b"):
        answer = await wire.client.post(f"/v2/a/blobs/uploads/{query}")
        assert answer.headers["OCI-Chunk-Max-Length"] == str(LIMIT)
        assert "OCI-Chunk-Min-Length" not in answer.headers


async def test_a_body_at_the_limit_is_accepted(wire: Wire) -> None:
    await wire.push_blob(bytes(LIMIT))


async def test_a_body_without_a_length_is_left_to_the_host(wire: Wire) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield bytes(LIMIT)
        yield bytes(LIMIT)

    answer = await wire.client.patch(await wire.start(), content=pieces())
    assert (answer.status_code, answer.headers["Range"]) == (202, f"0-{2 * LIMIT - 1}")


@pytest.mark.parametrize(
    "environment, limit",
    [
        ({}, None),
        ({"CONTAINER_APP_NAME": "app"}, None),
        ({"WEBSITE_SITE_NAME": "app"}, 100 * 2**20),
        ({"FUNCTIONS_WORKER_RUNTIME": "python"}, 100 * 2**20),
        ({"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "5000"}, 5000),
        ({"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "5000", "WEBSITE_SITE_NAME": "app"}, 5000),
    ],
)
def test_the_limit_is_that_of_the_functions_host(
    environment: dict[str, str], limit: int | None
) -> None:
    assert read_settings(NEEDED | environment).body_limit == limit
