"""Missing roles, closed networks and refused tokens are named, before a client meets them or then.

What Azurite does not refuse by itself, a proxy before it refuses in Azure's words.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import httpx
import pytest

from registry_core import app
from registry_core.app import build_application, build_registry
from registry_core.config import AzureStorage, Settings
from registry_core.object_store.azure import AzureBlobStore, AzureIdentity, Limits
from registry_core.object_store.interface import ConditionFailed, NotFound, StoreUnavailable
from registry_core.serve.azurite import Azurite
from tests.contracts.object_store import CONTENT, named, stage
from tests.support.azurite import create_container, everything_in, opened, signed_in
from tests.support.managed_identity import IdentityEndpoint
from tests.support.refusing_storage import (
    NETWORK_CLOSED,
    ROLE_MISSING,
    TOKEN_REFUSED,
    Refuse,
    RefusingStorage,
    is_for_key,
)
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
def storage(secure_azurite: SecureAzurite) -> Iterator[RefusingStorage]:
    with RefusingStorage(secure_azurite) as storage:
        yield storage


@pytest.fixture
def container(secure_azurite: SecureAzurite) -> str:
    return create_container(secure_azurite)


Check = Callable[..., Awaitable[list[str]]]


@pytest.fixture
def check(secure_azurite: SecureAzurite, storage: RefusingStorage, container: str) -> Check:
    """What the registry does when it opens. Returns the calls that it takes."""

    async def check(settings: Settings = SETTINGS, *, of: str = container) -> list[str]:
        calls: list[str] = []
        async with signed_in(
            secure_azurite,
            of,
            service_url=storage.service_url,
            limits=LIMITS,
            on_call=lambda method, operation: calls.append(f"{method} {operation}"),
        ) as store:
            await app.check_access(settings, store)
        return sorted(calls)

    return check


async def test_two_calls_find_that_all_is_well_and_leave_nothing(
    check: Check, secure_azurite: SecureAzurite, container: str
) -> None:
    assert await check() == ["POST user_delegation_key", "PUT check_access"]
    assert everything_in(secure_azurite, container) == []


async def test_the_key_of_the_check_signs_what_comes_after(
    secure_azurite: SecureAzurite, identity: IdentityEndpoint, container: str
) -> None:
    calls: list[str] = []
    async with signed_in(
        secure_azurite, container, on_call=lambda _, operation: calls.append(operation)
    ) as store:
        await app.check_access(SETTINGS, store)
        await store.signed_url("a", seconds=60)
    assert calls.count("user_delegation_key") == 1
    assert len(identity.asked) == 1


async def test_with_a_key_nothing_is_asked(azurite: Azurite, container_name: str) -> None:
    calls: list[str] = []
    async with opened(
        azurite, container_name, on_call=lambda _, operation: calls.append(operation)
    ) as store:
        await app.check_access(SETTINGS, store)
    assert calls == []


async def test_what_only_reads_and_never_redirects_needs_no_more_than_to_read(
    check: Check, storage: RefusingStorage
) -> None:
    storage.refuse = lambda request: None if request.method == "HEAD" else ROLE_MISSING
    assert await check(READ_ONLY) == ["HEAD check_access"]


REFUSED: dict[str, tuple[Refuse, list[str], list[str]]] = {
    "a reader": (
        lambda request: ROLE_MISSING if request.method == "PUT" else None,
        [CONTRIBUTOR, "devstoreaccount1", "ten minutes", "AZURE_CLIENT_ID"],
        ["Delegator"],
    ),
    "who may not sign": (
        lambda request: ROLE_MISSING if is_for_key(request) else None,
        [DELEGATOR, "not on a container"],
        ["Contributor"],
    ),
    "who has no role at all": (lambda _: ROLE_MISSING, [CONTRIBUTOR, DELEGATOR], []),
    "a network that is kept out": (
        lambda _: NETWORK_CLOSED,
        ["network rules of the account devstoreaccount1", "private endpoint"],
        ["Contributor"],
    ),
    "a tenant that is another": (
        lambda _: TOKEN_REFUSED,
        ["token of", "not accepted", "tenant"],
        ["Contributor"],
    ),
}


@pytest.mark.parametrize("who", REFUSED)
async def test_what_is_missing_is_named(check: Check, storage: RefusingStorage, who: str) -> None:
    storage.refuse, named_right, not_named = REFUSED[who]
    with pytest.raises(StoreUnavailable) as caught:
        await check()
    text = str(caught.value)
    for words in named_right:
        assert words in text
    for words in not_named:
        assert words not in text


async def test_a_container_that_is_missing_is_named(check: Check) -> None:
    with pytest.raises(StoreUnavailable, match="no container 'nowhere': create it"):
        await check(of="nowhere")
    with pytest.raises(StoreUnavailable, match="no container 'nowhere': create it"):
        await check(READ_ONLY, of="nowhere")


async def test_a_token_for_somebody_else_is_not_accepted(
    check: Check, identity: IdentityEndpoint
) -> None:
    identity.audience = "https://vault.azure.net"
    with pytest.raises(StoreUnavailable, match="not accepted"):
        await check()


async def test_no_identity_is_told_once(check: Check, identity: IdentityEndpoint) -> None:
    identity.refusal = (400, "No User Assigned AzureIdentity found for the specified ClientId.")
    with pytest.raises(StoreUnavailable) as caught:
        await check()
    assert str(caught.value) == (
        "no token for the app's own identity (AZURE_CLIENT_ID would name another): "
        "assign an identity to the app, and name it if it has several"
    )


async def test_a_role_that_arrives_later_is_found_then(
    check: Check, storage: RefusingStorage
) -> None:
    storage.refuse = lambda _: ROLE_MISSING
    with pytest.raises(StoreUnavailable):
        await check()
    storage.refuse = lambda _: None
    await check()


LATER: dict[str, Callable[[AzureBlobStore], Awaitable[object]]] = {
    "head": lambda s: s.head("a"),
    "get": lambda s: s.get("a"),
    "put": lambda s: s.put("a", CONTENT),
    "stage": lambda s: stage(s, "a", "1", CONTENT),
    "commit": lambda s: s.commit("a", [named("1")]),
    "delete": lambda s: s.delete("a"),
    "list": lambda s: s.list_page(""),
}


@pytest.mark.parametrize("operation", LATER)
async def test_a_role_that_is_taken_away_is_no_missing_object(
    secure_azurite: SecureAzurite, storage: RefusingStorage, container: str, operation: str
) -> None:
    identity = AzureIdentity("11111111-2222-3333-4444-555555555555")
    async with signed_in(
        secure_azurite, container, identity=identity, service_url=storage.service_url
    ) as store:
        await store.put("a", CONTENT)
        storage.refuse = lambda _: ROLE_MISSING
        with pytest.raises(StoreUnavailable, match=CONTRIBUTOR) as caught:
            await LATER[operation](store)
    assert not isinstance(caught.value, NotFound | ConditionFailed)
    assert "client id 11111111-2222-3333-4444-555555555555 needs the role" in str(caught.value)
    assert storage.refused == 1


async def test_a_client_gets_503_and_the_log_the_role(
    secure_azurite: SecureAzurite,
    storage: RefusingStorage,
    container: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    storage.refuse = lambda _: ROLE_MISSING
    async with signed_in(secure_azurite, container, service_url=storage.service_url) as store:
        application = build_application(SETTINGS, build_registry(SETTINGS, store))
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://registry.test") as http:
            answer = await http.get("/v2/a/b/manifests/v1")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert CONTRIBUTOR in caplog.text
    assert "Traceback" not in caplog.text
