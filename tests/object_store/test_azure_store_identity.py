"""The Azure store passes the contract with a managed identity and no account key."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from registry_core.object_store.azure import AzureBlobStore, Limits
from tests.contracts.object_store import Copies, ObjectStoreContract
from tests.support.azurite import create_container, signed_in
from tests.support.managed_identity import IdentityEndpoint
from tests.support.secure_azurite import SecureAzurite


@pytest.fixture(autouse=True)
def _identity(shared_identity: IdentityEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in shared_identity.environment.items():
        monkeypatch.setenv(name, value)


class TestIdentityStore(ObjectStoreContract):
    @pytest.fixture
    async def store(self, secure_azurite: SecureAzurite) -> AsyncIterator[AzureBlobStore]:
        async with signed_in(secure_azurite, create_container(secure_azurite)) as store:
            yield store


class TestCopiesInPieces(Copies):
    """Sources are read with signatures by a user delegation key, which Azurite checks."""

    @pytest.fixture
    async def store(self, secure_azurite: SecureAzurite) -> AsyncIterator[AzureBlobStore]:
        limits = Limits(copy_whole=3, copy_piece=3)
        container = create_container(secure_azurite)
        async with signed_in(secure_azurite, container, limits=limits) as store:
            yield store
