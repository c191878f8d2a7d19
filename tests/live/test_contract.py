"""Storage in Azure passes the contract of object stores, which the registry relies on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest

from registry_core.object_store.azure import AzureBlobStore, Limits
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
from tests.live import account as live
from tests.live.account import NO_ACCOUNT, Account, find_account

if find_account() is None:
    pytest.skip(NO_ACCOUNT, allow_module_level=True)

pytestmark = pytest.mark.timeout(600)


class TestStorage(ObjectStoreContract, SnapshotContract, ForeignBlockContract):
    @pytest.fixture
    def take_snapshot(self, store: AzureBlobStore) -> TakeSnapshot:
        return partial(live.take_snapshot, store)

    @pytest.fixture
    def stage_foreign(self, store: AzureBlobStore) -> StageForeign:
        return partial(live.stage_foreign, store)


class TestCopiesInPieces(Copies):
    @pytest.fixture
    async def store(self, account: Account, container_name: str) -> AsyncIterator[AzureBlobStore]:
        limits = Limits(copy_whole=3, copy_piece=3)
        async with account.opened(container_name, limits=limits) as store:
            yield store


class TestAppendBlobs(AppendBlobContract):
    """Azurite overwrites append blobs."""

    @pytest.fixture
    def append(self, azure: AzureBlobStore) -> Append:
        return partial(live.append, azure)
