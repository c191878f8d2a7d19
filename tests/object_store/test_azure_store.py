"""The store on Azure Blob Storage, as far as Azurite goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from registry_core.object_store.azure import AzureBlobStore, Limits
from registry_core.serve.azurite import Azurite
from tests.contracts.object_store import (
    Append,
    AppendBlobContract,
    Copies,
    ObjectStoreContract,
)
from tests.support.azurite import AsAzure, opened, write_append_blob


@pytest.fixture
async def store(azurite: Azurite, container_name: str) -> AsyncIterator[AzureBlobStore]:
    async with opened(azurite, container_name) as store:
        yield store


class TestAzureStore(ObjectStoreContract):
    pass


class TestCopiesInPieces(Copies):
    """The same as above for what is larger than one call takes."""

    @pytest.fixture
    async def store(self, azurite: Azurite, container_name: str) -> AsyncIterator[AzureBlobStore]:
        async with opened(
            azurite, container_name, limits=Limits(copy_whole=3, copy_piece=3)
        ) as store:
            yield store


class TestAppendBlobs(AppendBlobContract):
    """Azurite overwrites append blobs, so its answers are made Azure's."""

    @pytest.fixture
    async def store(self, azurite: Azurite, container_name: str) -> AsyncIterator[AzureBlobStore]:
        async with opened(azurite, container_name, transport=AsAzure()) as store:
            yield store

    @pytest.fixture
    def append(self, azurite: Azurite, container_name: str) -> Append:
        async def append(path: str, *pieces: bytes) -> None:
            await asyncio.to_thread(write_append_blob, azurite, container_name, path, *pieces)

        return append
