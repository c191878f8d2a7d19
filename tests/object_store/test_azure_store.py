"""The Azure store passes the contract on Azurite."""

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
    ForeignBlockContract,
    ObjectStoreContract,
    SnapshotContract,
    StageForeign,
    TakeSnapshot,
)
from tests.support.azure_answers import AzureAnswers, Precedence
from tests.support.azurite import create_snapshot, opened, stage_block, write_append_blob


@pytest.fixture
async def store(azurite: Azurite, container_name: str) -> AsyncIterator[AzureBlobStore]:
    async with opened(azurite, container_name) as store:
        yield store


class TestAzureStore(ObjectStoreContract, SnapshotContract, ForeignBlockContract):
    @pytest.fixture
    def take_snapshot(self, azurite: Azurite, container_name: str) -> TakeSnapshot:
        async def take_snapshot(path: str) -> None:
            await asyncio.to_thread(create_snapshot, azurite, container_name, path)

        return take_snapshot

    @pytest.fixture
    def stage_foreign(self, azurite: Azurite, container_name: str) -> StageForeign:
        async def stage_foreign(path: str, block_id: str, content: bytes) -> None:
            await asyncio.to_thread(stage_block, azurite, container_name, path, block_id, content)

        return stage_foreign


class TestCopiesInPieces(Copies):
    """Copies larger than storage copies in one call."""

    @pytest.fixture
    async def store(self, azurite: Azurite, container_name: str) -> AsyncIterator[AzureBlobStore]:
        async with opened(
            azurite, container_name, limits=Limits(copy_whole=3, copy_piece=3)
        ) as store:
            yield store


PRECEDENCES: tuple[Precedence, ...] = ("InvalidBlobType", "BlobAlreadyExists", "ConditionNotMet")


@pytest.mark.parametrize("if_absent", PRECEDENCES)
class TestAppendBlobs(AppendBlobContract):
    """Azurite overwrites append blobs: a proxy refuses that with each error that Azure may use."""

    @pytest.fixture
    async def store(
        self, azurite: Azurite, container_name: str, if_absent: Precedence
    ) -> AsyncIterator[AzureBlobStore]:
        with AzureAnswers(azurite, if_absent=if_absent) as azure:
            store = AzureBlobStore.from_connection_string(azure.connection_string, container_name)
            try:
                yield store
            finally:
                await store.close()

    @pytest.fixture
    def append(self, azurite: Azurite, container_name: str) -> Append:
        async def append(path: str, *pieces: bytes) -> None:
            await asyncio.to_thread(write_append_blob, azurite, container_name, path, *pieces)

        return append
