"""Web servers on loopback, one for a registry and one for storage: each test sets its own there."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.served import Served


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[Served]:
    async with Served.open() as served:
        yield served


@pytest.fixture(scope="module")
async def storage_server() -> AsyncIterator[Served]:
    async with Served.open() as served:
        yield served
