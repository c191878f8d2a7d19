"""Missing roles, closed networks and rejected tokens are named, by the check and by later calls.

A proxy in front of Azurite denies access as Azure does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import httpx
import pytest

from registry_core import app
from registry_core.app import build_application, build_registry
from registry_core.config import AzureStorage, Settings
from registry_core.object_store.azure import AzureBlobStore, AzureIdentity, Limits
from registry_core.object_store.errors import ConditionFailed, NotFound, StoreUnavailable
from registry_core.serve.azurite import Azurite
from tests.contracts.object_store import CONTENT, make_block_id, stage
from tests.support.azurite import create_container, everything_in, opened, signed_in
from tests.support.denying_storage import (
    NETWORK_CLOSED,
    ROLE_MISSING,
    TOKEN_DENIED,
    ChooseDenial,
    DenyingStorage,
    requests_key,
)
from tests.support.managed_identity import IdentityEndpoint
from tests.support.secure_azurite import SecureAzurite

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("identity")]

SETTINGS = Settings(AzureStorage("unused"), "a secret for tests, long enough")
READ_ONLY = Settings(AzureStorage("unused"), SETTINGS.http_secret, read_only=True, redirect=False)
LIMITS = Limits(first_delay=0.01)
CONTRIBUTOR = "Storage Blob Data Contributor on the container"
DELEGATOR = "Storage Blob Delegator on the account devstoreaccount1"


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[IdentityEndpoint]:
    with IdentityEndpoint() as endpoint:
        for name, value in endpoint.environment.items():
            monkeypatch.setenv(name, value)
        yield endpoint


@pytest.fixture
def storage(secure_azurite: SecureAzurite) -> Iterator[DenyingStorage]:
    with DenyingStorage(secure_azurite) as storage:
        yield storage


@pytest.fixture
def container(secure_azurite: SecureAzurite) -> str:
    return create_container(secure_azurite)


Check = Callable[..., Awaitable[list[str]]]


@pytest.fixture
def check(secure_azurite: SecureAzurite, storage: DenyingStorage, container: str) -> Check:
    """The access check, as a new instance runs it. Returns the calls that it makes."""

    async def check(settings: Settings = SETTINGS, *, name: str = container) -> list[str]:
        calls: list[str] = []
        async with signed_in(
            secure_azurite,
            name,
            service_url=storage.service_url,
            limits=LIMITS,
            on_call=lambda method, operation: calls.append(f"{method} {operation}"),
        ) as store:
            await app.check_access(settings, store)
        return sorted(calls)

    return check


async def test_two_calls_check_access_and_leave_nothing(
    check: Check, secure_azurite: SecureAzurite, container: str
) -> None:
    assert await check() == ["POST user_delegation_key", "PUT check_access"]
    assert everything_in(secure_azurite, container) == []


async def test_the_signing_key_of_the_check_is_kept(
    secure_azurite: SecureAzurite, identity: IdentityEndpoint, container: str
) -> None:
    calls: list[str] = []
    async with signed_in(
        secure_azurite, container, on_call=lambda _, operation: calls.append(operation)
    ) as store:
        await app.check_access(SETTINGS, store)
        await store.signed_url("a", seconds=60)
    assert calls.count("user_delegation_key") == 1
    assert len(identity.requests) == 1


async def test_an_account_key_needs_no_check(azurite: Azurite, container_name: str) -> None:
    calls: list[str] = []
    async with opened(
        azurite, container_name, on_call=lambda _, operation: calls.append(operation)
    ) as store:
        await app.check_access(SETTINGS, store)
    assert calls == []


async def test_a_read_only_registry_without_redirects_needs_only_to_read(
    check: Check, storage: DenyingStorage
) -> None:
    storage.deny = lambda request: None if request.method == "HEAD" else ROLE_MISSING
    assert await check(READ_ONLY) == ["HEAD check_access"]


DENIALS: dict[str, tuple[ChooseDenial, list[str], list[str]]] = {
    "only a reader": (
        lambda request: ROLE_MISSING if request.method == "PUT" else None,
        [CONTRIBUTOR, "devstoreaccount1", "ten minutes", "AZURE_CLIENT_ID"],
        ["Delegator"],
    ),
    "no right to sign": (
        lambda request: ROLE_MISSING if requests_key(request) else None,
        [DELEGATOR, "not on a container"],
        ["Contributor"],
    ),
    "no role at all": (lambda _: ROLE_MISSING, [CONTRIBUTOR, DELEGATOR], []),
    "a network that is not allowed": (
        lambda _: NETWORK_CLOSED,
        ["network rules of the account devstoreaccount1", "private endpoint"],
        ["Contributor"],
    ),
    "another tenant": (
        lambda _: TOKEN_DENIED,
        ["token of", "not accepted", "tenant"],
        ["Contributor"],
    ),
}


@pytest.mark.parametrize("case", DENIALS)
async def test_a_missing_permission_is_named(
    check: Check, storage: DenyingStorage, case: str
) -> None:
    storage.deny, expected, unexpected = DENIALS[case]
    with pytest.raises(StoreUnavailable) as caught:
        await check()
    text = str(caught.value)
    for words in expected:
        assert words in text
    for words in unexpected:
        assert words not in text


async def test_a_missing_container_is_named(check: Check) -> None:
    with pytest.raises(StoreUnavailable, match="no container 'nowhere': create it"):
        await check(name="nowhere")
    with pytest.raises(StoreUnavailable, match="no container 'nowhere': create it"):
        await check(READ_ONLY, name="nowhere")


async def test_a_token_for_another_audience_is_not_accepted(
    check: Check, identity: IdentityEndpoint
) -> None:
    identity.audience = "https://vault.azure.net"
    with pytest.raises(StoreUnavailable, match="not accepted"):
        await check()


async def test_a_missing_identity_is_named_once(check: Check, identity: IdentityEndpoint) -> None:
    identity.error = (400, "No User Assigned Identity found for the specified ClientId.")
    with pytest.raises(StoreUnavailable) as caught:
        await check()
    assert str(caught.value) == (
        "no token for the app's own identity (AZURE_CLIENT_ID would select another): "
        "assign an identity to the app, and select one if it has several"
    )


async def test_a_role_assigned_later_is_found_by_the_next_check(
    check: Check, storage: DenyingStorage
) -> None:
    storage.deny = lambda _: ROLE_MISSING
    with pytest.raises(StoreUnavailable):
        await check()
    storage.deny = lambda _: None
    await check()


OPERATIONS: dict[str, Callable[[AzureBlobStore], Awaitable[object]]] = {
    "head": lambda s: s.head("a"),
    "get": lambda s: s.get("a", limit=10),
    "put": lambda s: s.put("a", CONTENT),
    "stage": lambda s: stage(s, "a", "1", CONTENT),
    "commit": lambda s: s.commit("a", [make_block_id("1")]),
    "delete": lambda s: s.delete("a"),
    "list": lambda s: s.list_page(""),
}


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_removed_role_is_not_taken_for_a_missing_object(
    secure_azurite: SecureAzurite, storage: DenyingStorage, container: str, operation: str
) -> None:
    identity = AzureIdentity("11111111-2222-3333-4444-555555555555")
    async with signed_in(
        secure_azurite, container, identity=identity, service_url=storage.service_url
    ) as store:
        await store.put("a", CONTENT)
        storage.deny = lambda _: ROLE_MISSING
        with pytest.raises(StoreUnavailable, match=CONTRIBUTOR) as caught:
            await OPERATIONS[operation](store)
    assert not isinstance(caught.value, NotFound | ConditionFailed)
    assert "client id 11111111-2222-3333-4444-555555555555 needs the role" in str(caught.value)
    assert storage.denied == 1


async def test_a_client_gets_503_and_the_log_names_the_role(
    secure_azurite: SecureAzurite,
    storage: DenyingStorage,
    container: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    storage.deny = lambda _: ROLE_MISSING
    async with signed_in(secure_azurite, container, service_url=storage.service_url) as store:
        application = build_application(SETTINGS, build_registry(SETTINGS, store))
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://registry.test") as http:
            answer = await http.get("/v2/a/b/manifests/v1")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert CONTRIBUTOR in caplog.text
    assert "Traceback" not in caplog.text
