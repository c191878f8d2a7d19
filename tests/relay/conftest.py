"""A registry that the test scripts, and a relay to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from .relaying import RunningRelay, relay_to
from .scripted_registry import ScriptedRegistry, scripted_registry


@pytest.fixture
async def registry() -> AsyncIterator[ScriptedRegistry]:
    async with scripted_registry() as registry:
        yield registry


@pytest.fixture
async def relay(registry: ScriptedRegistry) -> AsyncIterator[RunningRelay]:
    async with relay_to(registry.url) as relay:
        yield relay
