"""The account of the live tests, a container for each test, and the notes on what Azure does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from registry_core.object_store.azure import AzureBlobStore
from tests.live.account import (
    NO_ACCOUNT,
    Account,
    find_account,
    has_soft_delete,
    is_emulator,
)

Note = Callable[[str, object], None]
"""`note(question, answer)`: the answer is printed at the end of the run."""

_notes: dict[str, str] = {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the account has answered where Microsoft documents nothing."""
    if _notes:
        terminalreporter.section("What this storage account does")
        for question, answer in sorted(_notes.items()):
            terminalreporter.write_line(f"{question}: {answer}")


@pytest.fixture
def note() -> Note:
    def note(question: str, answer: object) -> None:
        _notes[question] = str(answer)

    return note


@pytest.fixture(scope="session")
def account() -> Account:
    """Return the account to use. Skips the test, in CI as well, where none is named."""
    account = find_account()
    if account is None:
        pytest.skip(NO_ACCOUNT)
    return account


@pytest.fixture
async def container_name(account: Account) -> AsyncIterator[str]:
    """Create a container for this test."""
    async with account.new_container() as name:
        yield name


@pytest.fixture
async def store(account: Account, container_name: str) -> AsyncIterator[AzureBlobStore]:
    """Open a store over a container for this test."""
    async with account.opened(container_name) as store:
        yield store


@pytest.fixture
async def azure(store: AzureBlobStore) -> AzureBlobStore:
    """Return the store. Skips the test on an emulator."""
    if await is_emulator(store):
        pytest.skip("Azurite answers differently: needs an account in Azure")
    return store


@pytest.fixture
async def soft_delete(store: AzureBlobStore) -> AzureBlobStore:
    """Return the store. Skips the test where deleted blobs are not kept."""
    if not await has_soft_delete(store):
        pytest.skip("needs an account with soft delete, which Azurite does not have")
    return store
