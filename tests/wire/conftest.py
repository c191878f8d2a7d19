"""The stacks that the wire suite runs over.

Each test runs in process, over the memory store: refusals and rules of the specification need no
host. A marker adds the stacks that could answer differently:

- ``every_host``: what hosts can get wrong: bodies, headers, statuses, long URLs, odd paths;
- ``every_stack``: what storage access can change besides: redirects, ranges, large uploads.

Those with ``to_storage`` run only where clients read from storage and write to it by themselves.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack

import httpx
import pytest

from registry_core.app import build_application, build_registry
from registry_core.config import AzureStorage, Settings
from registry_core.globs import UrlGlobs
from registry_core.object_store.memory import MemoryStore
from registry_core.serve.azurite import Azurite
from registry_core.spec.foreign_urls import ForeignUrls
from registry_core.spec.origins import Origins
from tests.support.azurite import container_client, create_container
from tests.support.hosts import FUNCTIONS, LOCAL, HostKind, registry_under
from tests.support.managed_identity import IdentityEndpoint, storage_settings
from tests.support.secure_azurite import SecureAzurite
from tests.support.wire import NO_TLS, Wire, fresh_name, over_http

SECRET = "a secret for tests, which is long enough"
PAGE = "https://ui.example.com"
"""The origin of web pages that may use the registry."""
IN_PROCESS = "memory"
EVERY_HOST = (IN_PROCESS, "redirected", FUNCTIONS.name)
EVERY_STACK = (*EVERY_HOST, "streamed", "identity")
TO_STORAGE = ("redirected", "identity")
STACKS = {"every_host": EVERY_HOST, "every_stack": EVERY_STACK, "to_storage": TO_STORAGE}
"""The stacks of each marker."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the stacks of the `wire` fixture by the test's marker."""
    if "wire" not in metafunc.fixturenames:
        return
    stacks: tuple[str, ...] = (IN_PROCESS,)
    for marker, marked in STACKS.items():
        if metafunc.definition.get_closest_marker(marker):
            stacks = marked
    params = [
        pytest.param(name, marks=() if name == IN_PROCESS else pytest.mark.hosts) for name in stacks
    ]
    metafunc.parametrize("wire", params, indirect=True)


@pytest.fixture(scope="session")
def hosts(request: pytest.FixtureRequest) -> Iterator[dict[str, tuple[str, str]]]:
    """The URL and container of each host; a host starts when it is first used."""
    with ExitStack() as stack:
        yield _Hosts(request, stack)


class _Hosts(dict[str, tuple[str, str]]):
    def __init__(self, request: pytest.FixtureRequest, stack: ExitStack) -> None:
        super().__init__()
        self._request, self._stack = request, stack

    def __missing__(self, name: str) -> tuple[str, str]:
        container = create_container(_azurite_of(name, self._request))
        environment = {
            **self._storage(name, container),
            "REGISTRY_STORAGE_REDIRECT_DISABLE": str(name not in TO_STORAGE).lower(),
            "REGISTRY_HTTP_SECRET": SECRET,
            "REGISTRY_HTTP_CORS_ORIGINS": PAGE,
        }
        if name == "redirected":
            # Paths with a leading slash, as distribution v2 writes them, are served as well.
            environment["REGISTRY_STORAGE_AZURE_ROOTDIRECTORY"] = "/"
        host = self._stack.enter_context(registry_under(_kind(name), environment))
        self[name] = (host.url, container)
        return self[name]

    def _storage(self, name: str, container: str) -> dict[str, str]:
        azurite = _azurite_of(name, self._request)
        if isinstance(azurite, SecureAzurite):
            identity: IdentityEndpoint = self._request.getfixturevalue("shared_identity")
            return storage_settings(azurite, container) | identity.environment
        return {
            "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
            "REGISTRY_STORAGE_AZURE_CONTAINER": container,
        }


def _azurite_of(stack: str, request: pytest.FixtureRequest) -> Azurite:
    """The storage of a stack; "identity" accesses it without a key, over TLS."""
    fixture = "secure_azurite" if stack == "identity" else "azurite"
    azurite: Azurite = request.getfixturevalue(fixture)
    return azurite


@pytest.fixture
async def wire(
    request: pytest.FixtureRequest, hosts: Mapping[str, tuple[str, str]]
) -> AsyncIterator[Wire]:
    """A registry to talk HTTP to, with a repository of its own."""
    if request.param == IN_PROCESS:
        memory = MemoryStore()
        settings = Settings(
            AzureStorage("unused"),
            SECRET,
            redirect=False,
            foreign_urls=ForeignUrls(UrlGlobs(("https://example.com/*",))),
            cors_origins=Origins.parse([PAGE]),
        )
        app = build_application(settings, build_registry(settings, memory))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://registry.test"
        ) as client:
            yield Wire(client, fresh_name(), lambda: set(memory.objects))
        return
    url, container = hosts[request.param]
    azurite = _azurite_of(request.param, request)
    tls = azurite.trust.client_context() if isinstance(azurite, SecureAzurite) else NO_TLS

    def paths() -> set[str]:
        with container_client(azurite, container) as committed:
            return set(committed.list_blob_names())

    async with over_http(url, tls=tls) as client:
        yield Wire(client, fresh_name(), paths, _kind(request.param))


def _kind(stack: str) -> HostKind:
    return FUNCTIONS if stack == FUNCTIONS.name else LOCAL
