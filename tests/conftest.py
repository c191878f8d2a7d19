"""What every test may ask for: Azurite, one for all of them, and a fresh container in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from registry_core.serve.azurite import Azurite, AzuriteError
from tests.support.azurite import create_container
from tests.support.managed_identity import IdentityEndpoint
from tests.support.secure_azurite import SecureAzurite

A = TypeVar("A", bound=Azurite)

pytest.register_assert_rewrite("tests.contracts")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, which is what the Functions worker runs."""
    return "asyncio"


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Azurite, its data in a temporary folder. Without it tests are skipped, but not in CI."""
    with started(Azurite(tmp_path_factory.mktemp("azurite"))) as azurite:
        yield azurite


@pytest.fixture(scope="session")
def secure_azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureAzurite]:
    """Another one, over TLS, which takes the tokens of identities."""
    with started(SecureAzurite(tmp_path_factory.mktemp("secure-azurite"))) as azurite:
        yield azurite


@pytest.fixture(scope="session")
def shared_identity() -> Iterator[IdentityEndpoint]:
    """A managed identity that nobody changes."""
    with IdentityEndpoint() as endpoint:
        yield endpoint


@contextmanager
def started(azurite: A) -> Iterator[A]:
    """It runs, or the test that wants it is skipped."""
    try:
        azurite.start()
    except AzuriteError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    try:
        yield azurite
    finally:
        azurite.stop()


@pytest.fixture
def container_name(azurite: Azurite) -> str:
    """The name of a container that was created for this test."""
    return create_container(azurite)
