"""Whatever is wrong with storage, no answer says how the registry is built: the log does."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import httpx
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from registry_core.app import RegistryApp
from registry_core.config import read_settings
from registry_core.object_store.azure import AzureBlobStore, AzureIdentity, Limits, TokenEndpoint
from registry_core.object_store.interface import ObjectStore
from registry_core.spec import endpoints as e
from registry_core.spec.routes import build
from registry_core.storage.layout import Layout
from tests.support.access_modes import (
    ADMIN,
    NO_CREDENTIALS,
    PUBLIC,
    Mode,
    basic,
    modes,
    password,
)
from tests.support.access_rows import OF_NO_REPOSITORY, ROWS, Repository
from tests.support.in_process import client_of
from tests.support.managed_identity import TENANT, IdentityEndpoint
from tests.support.scripted_storage import (
    Choose,
    Instead,
    Received,
    ScriptedStorage,
    scripted_storage,
)
from tests.support.secure_azurite import Connections, Trust
from tests.support.wire import reference_in

pytestmark = pytest.mark.anyio

ACCOUNT, CONTAINER, HOST = "operatorsaccount", "operators-container", "storage-of-operator.test"
CLIENT = "11111111-2222-3333-4444-555555555555"
KEY = "a2V5IG9mIHRoZSBvcGVyYXRvcg=="
PRIVATE = (
    *(ACCOUNT, CONTAINER, HOST, CLIENT, TENANT, KEY),
    *("127.0.0.1", "/account", "docker/registry", "made-up", "Storage Blob", "REGISTRY_STORAGE"),
    *("client id", "tenant", "identity", "role", "network rules", "SharedKey", "Traceback"),
)
"""What only the operator should read: names, addresses, paths, request ids, roles, advice."""

MODES = {mode.name: mode for mode in modes()}
ENVIRONMENT = {
    "REGISTRY_STORAGE_AZURE_ACCOUNTNAME": ACCOUNT,
    "REGISTRY_STORAGE_AZURE_CONTAINER": CONTAINER,
    "REGISTRY_STORAGE_CACHE_MEMBERSHIP": "0",
    "REGISTRY_STORAGE_CACHE_MANIFESTS": "0",
    "REGISTRY_HTTP_SECRET": "a secret for tests, which is long enough",
}
LIMITS = Limits(retries=1, throttled_retries=1, first_delay=0.001, total=20, sign_in=5)
KEY_OF_NOBODY = f"regk_ci_{'A' * 43}"
"""Of the form of a personal access key, which the registry looks for in storage."""


def always(status: int, code: str) -> Choose:
    return lambda _: Instead(status, code)


def only_signing(request: Received) -> Instead | None:
    is_signing = request.query.get("comp") == "userdelegationkey"
    return Instead(403, "AuthorizationPermissionMismatch") if is_signing else None


ANSWERS: dict[str, Choose] = {
    "no role": always(403, "AuthorizationPermissionMismatch"),
    "no role to sign": only_signing,
    "firewall": always(403, "AuthorizationFailure"),
    "another tenant": always(401, "InvalidAuthenticationInfo"),
    "container missing": always(404, "ContainerNotFound"),
    "account disabled": always(403, "AccountIsDisabled"),
    "throttled": always(503, "ServerBusy"),
    "not understood": always(400, "InvalidHeaderValue"),
    "archived": always(409, "BlobArchived"),
    "a directory": always(409, "BlobOperationNotSupported"),
    "a proxy's page": lambda _: Instead(502, body=f"<h1>{HOST}</h1>".encode()),
    "reset": lambda _: Instead(),
}
"""Storage's answers to an identity, from the first request on."""


@dataclass
class World:
    """A registry whose storage fails. ``connector`` makes the connections to storage."""

    storage: ScriptedStorage
    identity: IdentityEndpoint
    connections: Connections
    connector: Callable[..., Any] | None = None
    url: str = ""

    def with_identity(self) -> AzureBlobStore:
        endpoint = TokenEndpoint(f"{self.identity.url}/msi/token", self.identity.header)
        return AzureBlobStore.from_identity(
            self.url or self.storage.service_url,
            CONTAINER,
            AzureIdentity(CLIENT, endpoint=endpoint),
            account=ACCOUNT,
            limits=LIMITS,
            connector=self.connector or self.connections.connector,
        )

    def with_key(self) -> AzureBlobStore:
        return AzureBlobStore.from_key(
            self.storage.service_url,
            CONTAINER,
            ACCOUNT,
            KEY,
            limits=LIMITS,
            connector=self.connections.connector,
        )


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return Trust(tmp_path_factory.mktemp("trust"))


@pytest.fixture
def identity() -> Iterator[IdentityEndpoint]:
    with IdentityEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
async def world(trust: Trust, identity: IdentityEndpoint) -> AsyncIterator[World]:
    connections = Connections(trust)
    async with scripted_storage(trust) as storage:
        yield World(storage, identity, connections)
    await connections.ended()


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> Mode:
    return MODES[request.param]


@asynccontextmanager
async def registry(mode: Mode, connect: Callable[[], ObjectStore]) -> AsyncIterator[Any]:
    settings = read_settings({**ENVIRONMENT, **mode.environment})
    async with client_of(RegistryApp(settings, lambda _: connect()).application) as client:
        yield client


async def ask_all(mode: Mode, client: httpx.AsyncClient) -> list[httpx.Response]:
    """Return the answers to every kind of request, with credentials and without."""
    repository = Repository(PUBLIC)
    requests: list[tuple[e.Endpoint, bytes, dict[str, str]]] = [
        (endpoint, b"", {}) for endpoint in OF_NO_REPOSITORY.values()
    ]
    requests += [(r.endpoint(PUBLIC, repository), r.body, r.headers) for r in ROWS.values()]
    answers = []
    for who in (NO_CREDENTIALS, ADMIN):
        for endpoint, body, headers in requests:
            request = client.build_request(
                endpoint.method, build(endpoint), content=body, headers=headers
            )
            if authorization := await mode.authorization(client, who, request):
                request.headers["Authorization"] = authorization
            answers.append(await client.send(request))
    for name, secret in ((ADMIN, password(ADMIN)), (ADMIN, "wrong"), ("ci", KEY_OF_NOBODY)):
        for path in ("/auth/token", "/v2/"):
            headers = {"Authorization": basic(name, secret)}
            answers.append(await client.get(path, headers=headers))
    return answers


async def assert_nothing_leaks(
    mode: Mode,
    connect: Callable[[], ObjectStore],
    caplog: pytest.LogCaptureFixture,
    *,
    status: int = 503,
) -> None:
    async with registry(mode, connect) as client:
        answers = await ask_all(mode, client)
    assert status in {answer.status_code for answer in answers}
    for answer in answers:
        shown = f"{answer.headers}{answer.text}"
        assert [private for private in PRIVATE if private in shown] == []
        if answer.status_code >= 500 and answer.text:
            [entry] = answer.json()["errors"]
            assert f"reference={reference_in(entry['message'])} " in caplog.text


@pytest.mark.parametrize("failure", ANSWERS)
async def test_an_error_answer_of_storage_is_not_shown(
    world: World, mode: Mode, failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.storage.choose = ANSWERS[failure]
    status = 403 if failure in ("archived", "a directory") else 503
    await assert_nothing_leaks(mode, world.with_identity, caplog, status=status)


@pytest.mark.parametrize("failure", ["no role", "throttled", "archived"])
async def test_an_error_of_storage_that_was_in_use_is_not_shown(
    world: World, mode: Mode, failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    def connect() -> ObjectStore:
        return world.with_key()

    world.storage.choose = lambda r: None if "restype" in r.query else ANSWERS[failure](r)
    await assert_nothing_leaks(mode, connect, caplog, status=403 if failure == "archived" else 503)


async def test_a_wrong_key_is_not_shown(
    world: World, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    world.storage.choose = always(403, "AuthenticationFailed")
    await assert_nothing_leaks(mode, world.with_key, caplog)
    assert "the account key is wrong" in caplog.text


async def test_an_identity_that_cannot_sign_in_is_not_shown(
    world: World, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    world.identity.error = (400, f"AADSTS700016: no identity {CLIENT} in tenant {TENANT}")
    await assert_nothing_leaks(mode, world.with_identity, caplog)
    assert f"no token for the identity with the client id {CLIENT}" in caplog.text


async def test_two_registries_in_the_container_are_not_shown(
    world: World, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    for root in ("", "/"):
        await world.storage.store.put(Layout(root).catalog_marker("repository"), b"")
    await assert_nothing_leaks(mode, world.with_key, caplog)
    assert "REGISTRY_STORAGE_AZURE_ROOTDIRECTORY" in caplog.text


async def test_a_name_that_is_not_resolved_is_not_shown(
    world: World, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    world.url = f"https://{HOST}/account"
    world.connector = lambda **options: world.connections.connector(
        **{**options, "resolver": NoNames()}
    )
    await assert_nothing_leaks(mode, world.with_identity, caplog)
    assert HOST in caplog.text


async def test_a_refused_connection_is_not_shown(
    world: World, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        world.url = f"https://127.0.0.1:{unused.getsockname()[1]}/account"
        await assert_nothing_leaks(mode, world.with_identity, caplog)
    assert "Cannot connect to host 127.0.0.1" in caplog.text


async def test_an_unexpected_exception_is_not_shown(
    mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    def connect() -> NoReturn:
        raise KeyError(f"the account {ACCOUNT} at {HOST}")

    await assert_nothing_leaks(mode, connect, caplog, status=500)
    assert ACCOUNT in caplog.text


class NoNames(AbstractResolver):
    """A resolver that knows no name."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        raise OSError(None, f"no address for {host}")

    async def close(self) -> None:
        pass
