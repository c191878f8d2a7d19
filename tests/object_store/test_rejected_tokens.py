"""A token that storage rejects is replaced once, whatever the call; never for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from registry_core.object_store.azure import AzureBlobStore
from registry_core.object_store.azure.errors import AccessDenied
from tests.support.clock import Clock
from tests.support.managed_identity import IdentityEndpoint
from tests.support.scripted_storage import Instead, ScriptedStorage, scripted_storage
from tests.support.secure_azurite import Trust
from tests.support.store_calls import CALLS, Call, fill, signed_in_over

pytestmark = pytest.mark.anyio

EXPIRED = Instead(401, "InvalidAuthenticationInfo", {"WWW-Authenticate": "Bearer"})

OPERATIONS: dict[str, Call] = CALLS | {"signed_url": lambda s: s.signed_url("a", seconds=60)}
# Their sources are signed with a key, which is requested first.
SIGNED = {"stage_from", "copy"}


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(tmp_path_factory.mktemp("trust"))


@pytest.fixture
async def storage(trust: Trust) -> AsyncIterator[ScriptedStorage]:
    async with scripted_storage(trust) as storage:
        await fill(storage.store)
        yield storage


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(
    storage: ScriptedStorage, trust: Trust, clock: Clock, shared_identity: IdentityEndpoint
) -> AsyncIterator[AzureBlobStore]:
    """A store whose token and signing key are a minute old."""
    async with signed_in_over(storage, trust, shared_identity, clock=clock) as store:
        await store.head("a")
        clock.pass_by(60)
        storage.received.clear()
        yield store


def tokens(storage: ScriptedStorage) -> list[str]:
    """Return the token of each request."""
    return [request.headers["Authorization"] for request in storage.received]


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_the_call_is_repeated_once_with_a_new_token(
    storage: ScriptedStorage, store: AzureBlobStore, operation: str
) -> None:
    storage.answers = [EXPIRED]
    await OPERATIONS[operation](store)
    old, new, *others = tokens(storage)
    assert old != new
    assert set(others) <= {new}
    assert len(others) == (operation in SIGNED)
    first, second = storage.received[:2]
    assert (first.method, first.target) == (second.method, second.target)
    # The parts of a batch have the token as well; its length may differ.
    assert first.body.replace(old.encode(), new.encode()) == second.body


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_new_token_that_is_rejected_as_well_is_not_replaced(
    storage: ScriptedStorage,
    store: AzureBlobStore,
    shared_identity: IdentityEndpoint,
    operation: str,
) -> None:
    storage.choose = lambda _: EXPIRED
    issued = len(shared_identity.tokens)
    if operation == "check_namespace":  # says nothing without the permission
        await OPERATIONS[operation](store)
    else:
        with pytest.raises(AccessDenied, match="401 InvalidAuthenticationInfo"):
            await OPERATIONS[operation](store)
    assert len(storage.received) == 2
    with pytest.raises(AccessDenied):
        await store.head("a")
    assert len(storage.received) == 3
    assert len(shared_identity.tokens) == issued + 1


async def test_calls_whose_token_is_rejected_together_fetch_one(
    storage: ScriptedStorage, store: AzureBlobStore, shared_identity: IdentityEndpoint
) -> None:
    await store.head("a")
    [old] = tokens(storage)
    issued = len(shared_identity.tokens)
    storage.choose = lambda sent: EXPIRED if sent.headers["Authorization"] == old else None
    await asyncio.gather(*(store.head("a") for _ in range(20)))
    assert len(shared_identity.tokens) == issued + 1
    assert len(set(tokens(storage))) == 2


async def test_a_denial_that_no_token_changes_is_not_repeated(
    storage: ScriptedStorage, store: AzureBlobStore, shared_identity: IdentityEndpoint
) -> None:
    issued = len(shared_identity.tokens)
    storage.choose = lambda _: Instead(403, "AuthorizationPermissionMismatch")
    with pytest.raises(AccessDenied, match="Storage Blob Data Contributor"):
        await store.head("a")
    assert len(storage.received) == 1
    assert len(shared_identity.tokens) == issued


async def test_a_large_body_is_sent_whole_again(
    storage: ScriptedStorage, store: AzureBlobStore
) -> None:
    content = bytes(range(256)) * 4096 * 3
    storage.answers = [EXPIRED]
    await store.put("b", content)
    assert [request.body == content for request in storage.received] == [True, True]


async def test_a_401_of_an_intermediary_costs_no_new_signing_in_for_ever(
    storage: ScriptedStorage, store: AzureBlobStore, shared_identity: IdentityEndpoint
) -> None:
    """Its challenge says nothing about the token; one new token at most is fetched."""
    issued = len(shared_identity.tokens)
    storage.answers = [Instead(401, body=b"<html>")] * 3
    await store.head("a")
    assert len(shared_identity.tokens) <= issued + 1
