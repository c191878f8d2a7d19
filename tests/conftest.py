"""Fixtures for all tests: Azurite, shared by the session, and a fresh container in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from registry_core.serve.azurite import Azurite, AzuriteError
from tests.support.azurite import create_container
from tests.support.hosts import HostKind
from tests.support.managed_identity import IdentityEndpoint
from tests.support.secure_azurite import SecureAzurite

A = TypeVar("A", bound=Azurite)

pytest.register_assert_rewrite("tests.contracts")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark tests that have a host as a parameter, so that CI can select them."""
    parameters = getattr(item, "callspec", None)
    if parameters and any(isinstance(value, HostKind) for value in parameters.params.values()):
        item.add_marker(pytest.mark.hosts)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, as the Functions worker does."""
    return "asyncio"


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Run Azurite with its data in a temporary folder. Where it is missing, skip; in CI, fail."""
    with started(Azurite(tmp_path_factory.mktemp("azurite"))) as azurite:
        yield azurite


@pytest.fixture(scope="session")
def secure_azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureAzurite]:
    """Run another Azurite, with TLS, that accepts the tokens of identities."""
    with started(SecureAzurite(tmp_path_factory.mktemp("secure-azurite"))) as azurite:
        yield azurite


@pytest.fixture(scope="session")
def shared_identity() -> Iterator[IdentityEndpoint]:
    """Run the endpoint of a managed identity that no test changes."""
    with IdentityEndpoint() as endpoint:
        yield endpoint


@contextmanager
def started(azurite: A) -> Iterator[A]:
    """Run Azurite, or skip the test when it cannot start (in CI: fail)."""
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
    """Create a container for this test and return its name."""
    return create_container(azurite)
