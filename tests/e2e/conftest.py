"""The registry that the clients use, the clients, and the images that they push.

The registry is two hosts on one container: under Microsoft's Functions runtime where this Python
has it, else local ones. To test another registry, name two of its hosts, or one of them twice:
`E2E_REGISTRIES=127.0.0.1:5001,127.0.0.1:5002`.

In the ordinary run each client does each thing once; the nightly run combines them all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from registry_core.serve.azurite import Azurite
from tests.e2e.clients import Ctr, Docker, ImageClient, Podman, Skopeo
from tests.e2e.daemons import containerd, dockerd
from tests.e2e.images import LayoutImage, debian_image, two_platform_index
from tests.support.azurite import create_container
from tests.support.host import PROJECT, RunningHost
from tests.support.hosts import LOCAL, best_host, registry_under
from tests.support.managed_identity import IdentityEndpoint, storage_settings
from tests.support.secure_azurite import SecureAzurite

CLIENTS = ("docker", "podman", "skopeo", "ctr")

_PACKAGES = PROJECT / ".local/cache/debian-packages"
_HOSTS = pytest.StashKey[tuple[RunningHost, ...]]()
_LOG_END = 5000


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark all tests here: clients need hosts."""
    item.add_marker(pytest.mark.hosts)


def only_nightly(values: Iterable[object]) -> list[ParameterSet]:
    """Return parameters for the nightly run."""
    marked = (value if isinstance(value, tuple) else (value,) for value in values)
    return [pytest.param(*value, marks=pytest.mark.nightly) for value in marked]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the registry's log: clients say little about why they fail."""
    report = yield
    if report.failed:
        for host in item.config.stash.get(_HOSTS, ()):
            report.sections.append((f"Log of {host.url}", host.log()[-_LOG_END:]))
    return report


@pytest.fixture(scope="session")
def registries(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Run two hosts of one registry, each as `host:port`: one redirects to blobs, one streams."""
    if named := os.environ.get("E2E_REGISTRIES"):
        first, second = named.split(",")
        yield first, second
        return
    storage = request.getfixturevalue("storage")
    environment = {**storage, "REGISTRY_HTTP_SECRET": "the same secret for both, long enough"}
    streaming = {**environment, "REGISTRY_STORAGE_REDIRECT_DISABLE": "true"}
    kind = best_host()
    with registry_under(kind, environment) as one, registry_under(kind, streaming) as other:
        request.config.stash[_HOSTS] = (one, other)
        yield f"127.0.0.1:{one.port}", f"127.0.0.1:{other.port}"


@pytest.fixture(scope="session")
def storage(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return storage settings: by managed identity over TLS under the runtime, by key locally.

    So clients follow both kinds of redirects.
    """
    if best_host() is LOCAL:
        azurite: Azurite = request.getfixturevalue("azurite")
        return {
            "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
            "REGISTRY_STORAGE_AZURE_CONTAINER": create_container(azurite),
        }
    secure: SecureAzurite = request.getfixturevalue("secure_azurite")
    identity: IdentityEndpoint = request.getfixturevalue("shared_identity")
    return storage_settings(secure, create_container(secure)) | identity.environment


@pytest.fixture(scope="session", autouse=True)
def _trusted(secure_azurite: SecureAzurite) -> Iterator[None]:
    """Make clients, and daemons started later, trust the certificate of the TLS storage."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            patch.setenv(name, str(secure_azurite.trust.bundle))
        yield


@pytest.fixture(scope="session")
def registry(registries: tuple[str, str]) -> str:
    """The host that redirects."""
    return registries[0]


@pytest.fixture(scope="session")
def client_named(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], ImageClient]:
    """Return a client by its name; it and its daemon start on first use."""
    made: dict[str, ImageClient] = {}

    def client(name: str) -> ImageClient:
        if name not in made:
            made[name] = _make_client(name, request, tmp_path_factory.mktemp(name))
        return made[name]

    return client


def _make_client(name: str, request: pytest.FixtureRequest, folder: Path) -> ImageClient:
    match name:
        case "docker":
            return Docker(request.getfixturevalue("docker_socket"), folder)
        case "ctr":
            return Ctr(request.getfixturevalue("containerd_socket"), folder)
        case "podman":
            return Podman(folder)
        case "skopeo":
            return Skopeo(folder)
    raise LookupError(name)


@pytest.fixture(scope="session")
def docker_socket() -> Iterator[str]:
    with dockerd() as socket:
        yield socket


@pytest.fixture(scope="session")
def containerd_socket() -> Iterator[str]:
    with containerd() as socket:
        yield socket


@pytest.fixture(scope="session")
def debian(tmp_path_factory: pytest.TempPathFactory) -> LayoutImage:
    """Build an image of three layers of Debian packages."""
    return debian_image(tmp_path_factory.mktemp("images") / "debian", _PACKAGES)


@pytest.fixture(scope="session")
def two_platforms(tmp_path_factory: pytest.TempPathFactory) -> LayoutImage:
    """Build an image index for amd64 and arm64."""
    return two_platform_index(tmp_path_factory.mktemp("images") / "index", _PACKAGES)
