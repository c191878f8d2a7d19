"""An application signs in with its secret, as with CNCF distribution's `client_secret`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from registry_core import app
from registry_core.config import AzureStorage
from registry_core.object_store.errors import StoreUnavailable
from tests.contracts.object_store import CONTENT, content_of
from tests.support.azurite import create_container
from tests.support.entra_tokens import SECRET, EntraTokens
from tests.support.managed_identity import TENANT
from tests.support.secure_azurite import Connections, SecureAzurite

pytestmark = pytest.mark.anyio

CLIENT_ID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def entra(secure_azurite: SecureAzurite, monkeypatch: pytest.MonkeyPatch) -> Iterator[EntraTokens]:
    with EntraTokens(secure_azurite.trust) as entra:
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", f"https://{entra.authority}")
        # As SSL_CERT_FILE would do for a process that starts with it.
        trusting = secure_azurite.trust.client_context()
        monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", trusting)
        yield entra


@pytest.fixture
def storage(secure_azurite: SecureAzurite) -> AzureStorage:
    return AzureStorage(
        create_container(secure_azurite),
        secure_azurite.service_url,
        client_id=CLIENT_ID,
        tenant_id=TENANT,
        client_secret=SECRET,
    )


@pytest.fixture(autouse=True)
async def _trusted_storage(
    secure_azurite: SecureAzurite, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """Give the store a connector that trusts the server, and wait for its connections to end."""
    connections = Connections(secure_azurite.trust)
    monkeypatch.setattr(
        "registry_core.object_store.azure.session.make_connector", connections.connector
    )
    yield
    await connections.ended()


async def test_an_application_signs_in_with_its_secret(
    entra: EntraTokens, storage: AzureStorage
) -> None:
    store = app.build_store(storage)
    await store.put("a", CONTENT)
    assert await content_of(store, "a") == CONTENT
    await store.copy("b", "a", size=len(CONTENT), metadata={"a": "b"})
    await store.close()
    assert entra.requested == [(CLIENT_ID, "https://storage.azure.com/.default")]


@pytest.mark.usefixtures("entra")
async def test_a_wrong_secret_is_reported_with_entras_code_and_not_disclosed(
    storage: AzureStorage, caplog: pytest.LogCaptureFixture
) -> None:
    store = app.build_store(replace(storage, client_secret="a wrong one"))
    with pytest.raises(StoreUnavailable) as caught:
        await store.head("a")
    await store.close()
    assert str(caught.value) == (
        f"no token for the application with the client id {CLIENT_ID} (AADSTS7000215): "
        "check its client id, tenant and secret"
    )
    assert "a wrong one" not in caplog.text
