"""Many pushes and pulls while some of the storage's answers fail."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from registry_core.object_store.azure import AzureBlobStore, Limits
from registry_core.object_store.errors import StoreUnavailable
from registry_core.serve.azurite import Azurite
from tests.support.fault_run import fault_run

pytestmark = pytest.mark.anyio


@pytest.mark.timeout(600)
@pytest.mark.parametrize("operations", [80, pytest.param(500, marks=pytest.mark.nightly)])
async def test_pushes_and_pulls_with_5_percent_faults_lose_nothing(
    azurite: Azurite, container_name: str, operations: int
) -> None:
    report = await fault_run(azurite, container_name, operations=operations, share=0.05, seed=6)
    sys.stdout.write(f"{report}\n")
    assert report.storage is not None
    assert report.storage.injected.total() > operations / 10
    assert report.done["push"] > operations * 0.4
    assert not report.lost, str(report)


class Forgetful(AzureBlobStore):
    """A store that treats a put without an answer as successful."""

    async def put(self, *args: Any, **options: Any) -> str:
        try:
            return await super().put(*args, **options)
        except StoreUnavailable:
            return '"0x0"'


async def test_the_run_detects_the_losses_of_a_forgetful_store(
    azurite: Azurite, container_name: str
) -> None:
    report = await fault_run(
        azurite,
        container_name,
        operations=40,
        share=0.1,
        seed=4,
        kind=Forgetful,
        limits=Limits(retries=0, silence=2),
    )
    assert report.lost
