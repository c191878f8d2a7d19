"""The first pull of an image on a new instance that accesses storage with an identity."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from registry_core.app import RegistryApp
from registry_core.config import AzureStorage, Settings
from registry_core.spec.digest import Digest
from tests.support.azurite import create_container, signed_in
from tests.support.content import CONFIG, image_manifest, random_bytes
from tests.support.managed_identity import IdentityEndpoint
from tests.support.secure_azurite import SecureAzurite
from tests.support.wire import Wire

pytestmark = pytest.mark.anyio

SETTINGS = Settings(AzureStorage("unused"), "a secret for tests, long enough")
LAYER = random_bytes(2**20 + 1)  # larger than any blob that the registry answers itself
MANIFEST = image_manifest(LAYER)


@pytest.fixture(autouse=True)
def identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[IdentityEndpoint]:
    with IdentityEndpoint() as endpoint:
        for name, value in endpoint.environment.items():
            monkeypatch.setenv(name, value)
        yield endpoint


@dataclass
class Instance:
    """A new instance: its client, and its storage calls as they are made."""

    wire: Wire
    calls: list[str] = field(default_factory=list)

    async def get(self, path: str, method: str = "GET") -> list[str]:
        """Send a request and return the storage calls since the last one."""
        answer = await self.wire.client.request(method, path)
        assert answer.status_code in (200, 307), answer.text
        calls = sorted(self.calls)
        self.calls.clear()
        return calls


@pytest.fixture
async def instance(secure_azurite: SecureAzurite) -> AsyncIterator[Instance]:
    """An instance on a container with the image, which another instance pushed."""
    container = create_container(secure_azurite)
    calls: list[str] = []
    async with signed_in(secure_azurite, container) as store:
        app = RegistryApp(SETTINGS, lambda _: store)
        async with _client(app) as client:
            wire = Wire(client, "a/b", set)
            for content in (CONFIG, LAYER):
                await wire.push_blob(content)
            await wire.put_manifest("v1", MANIFEST)
    async with signed_in(
        secure_azurite, container, on_call=lambda _, operation: calls.append(operation)
    ) as store:
        app = RegistryApp(SETTINGS, lambda _: store)
        async with _client(app) as client:
            yield Instance(Wire(client, "a/b", set), calls)
        await app.close()


def _client(app: RegistryApp) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app.application)
    return httpx.AsyncClient(transport=transport, base_url="http://registry.test")


async def test_its_storage_calls(instance: Instance, identity: IdentityEndpoint) -> None:
    """The start finds the root, checks the permission to write and fetches the signing key.

    The version check waits for none of it.
    """
    base = instance.wire.base
    assert await instance.get("/v2/") == []
    opened = await instance.get(f"{base}/manifests/v1", "HEAD")
    assert opened == ["check_access", "get", "list", "list", "user_delegation_key"]
    assert await instance.get(f"{base}/manifests/{Digest.of(MANIFEST)}") == ["get", "head"]
    # A small blob is answered, not redirected.
    assert await instance.get(f"{base}/blobs/{Digest.of(CONFIG)}") == ["get", "head"]
    assert await instance.get(f"{base}/blobs/{Digest.of(LAYER)}") == ["head"]
    assert len(identity.requests) == 2  # one token for each instance
