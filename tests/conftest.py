"""What every test may ask for: Azurite, one for all of them, and a fresh container in it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from registry_core.local.azurite import Azurite, AzuriteError
from tests.support.azurite import create_container

pytest.register_assert_rewrite("tests.contracts")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, which is what the Functions worker runs."""
    return "asyncio"


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Azurite, its data in a temporary folder. Without it tests are skipped, but not in CI."""
    azurite = Azurite(tmp_path_factory.mktemp("azurite"))
    try:
        azurite.start()
    except AzuriteError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    yield azurite
    azurite.stop()


@pytest.fixture
def container_name(azurite: Azurite) -> str:
    """The name of a container that was created for this test."""
    return create_container(azurite)
