"""The relay under real clients: layers larger than the registry's host accepts as a body.

The registry runs under Microsoft's Functions runtime where this Python has it, with a limit on
bodies as in Azure, smaller in the ordinary run.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from registry_core.serve.azurite import Azurite
from tests.e2e import logins
from tests.e2e.clients import CommandFailed, ImageClient, Skopeo
from tests.e2e.conftest import only_nightly
from tests.e2e.images import LayoutImage, noise_image
from tests.e2e.logins import LoginClient
from tests.e2e.registries import ALICE, LoginRegistries, blob_size, get_manifest
from tests.relay.processes import peak_memory, start_relay
from tests.support.azurite import create_container
from tests.support.eventually import until
from tests.support.host import RunningHost
from tests.support.hosts import FUNCTIONS, best_host, registry_under, start_registry

MIB = 1 << 20
MOST_MEMORY = 300 * MIB
SCALES = [(200, 16), *only_nightly([((3072, 100),)])]
"""The size of a layer, and the limit on bodies, in MiB."""


@dataclass(frozen=True)
class Relayed:
    """A registry, a relay to it, and a layer that is larger than the registry's host accepts.

    ``environment`` has the registry's settings.
    """

    environment: dict[str, str]
    registry: RunningHost
    relay: RunningHost
    image: LayoutImage
    limit: int

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.relay.port}"

    @property
    def longest_body(self) -> int:
        """The most bytes that the registry got with one request."""
        return max(map(int, re.findall(r"received=(\d+)", self.registry.log())))


@pytest.fixture(scope="module", params=SCALES, ids=lambda scale: f"{scale[0]} MiB")
def relayed(
    request: pytest.FixtureRequest, azurite: Azurite, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Relayed]:
    layer, limit = request.param
    environment = {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": create_container(azurite),
        "REGISTRY_HTTP_SECRET": "a secret for tests, which is long enough",
        "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": str(limit * MIB),
    }
    folder = tmp_path_factory.mktemp("images") / "noise"
    with registry_under(best_host(), environment) as registry, start_relay(registry.url) as relay:
        yield Relayed(environment, registry, relay, noise_image(folder, layer * MIB), limit * MIB)
    shutil.rmtree(folder)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ["docker", "podman", "skopeo", "ctr"])
def test_a_layer_over_the_limit_on_bodies_is_pulled_as_pushed(
    name: str, client_named: Callable[[str], ImageClient], relayed: Relayed
) -> None:
    """Its bytes pass neither the registry nor, all at once, the relay's memory."""
    client, repository = client_named(name), f"{relayed.authority}/large/by-{name}"
    digest = client.push(relayed.image, f"{repository}:latest")
    pulled = client.pull(f"{repository}:latest")

    assert (pulled.digest, pulled.identity) == (digest, relayed.image.identity)
    [layer] = get_manifest(repository, "latest").json()["layers"]
    assert blob_size(repository, layer["digest"]) == layer["size"] > relayed.limit
    assert relayed.longest_body < MIB
    assert peak_memory(relayed.relay) < MOST_MEMORY
    assert "Traceback" not in relayed.relay.log()


@pytest.mark.skipif(best_host() is not FUNCTIONS, reason="only Functions limits bodies")
def test_without_the_relay_the_layer_is_refused(relayed: Relayed, tmp_path: Path) -> None:
    with start_registry(FUNCTIONS, relayed.environment) as host, pytest.raises(CommandFailed):
        Skopeo(tmp_path).push(relayed.image, f"127.0.0.1:{host.port}/large/direct:v1")


@pytest.mark.timeout(600)
def test_a_push_succeeds_again_after_the_relay_was_killed(relayed: Relayed, tmp_path: Path) -> None:
    client = Skopeo(tmp_path)
    with start_relay(relayed.registry.url) as relay, ThreadPoolExecutor() as pool:
        reference = f"127.0.0.1:{relay.port}/killed/app:v1"
        staged = relayed.registry.log().count("GetUpload")
        push = pool.submit(client.push, relayed.image, reference)
        until(lambda: relayed.registry.log().count("GetUpload") > staged)
        relay.kill()
        with pytest.raises(CommandFailed):
            push.result()
        with start_relay(relayed.registry.url, port=relay.port):
            assert client.push(relayed.image, reference) == relayed.image.digest
            assert client.pull(reference).identity == relayed.image.identity


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> LayoutImage:
    return noise_image(tmp_path_factory.mktemp("images") / "small", MIB)


@pytest.fixture(params=["docker", "podman", "skopeo"])
def client(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> LoginClient:
    """A client that is not logged in."""
    folder = tmp_path_factory.mktemp("c")  # podman wants short paths
    (folder / "auth.json").write_text("{}")
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(folder / "auth.json"))
    match request.param:
        case "docker":
            return logins.docker(request.getfixturevalue("docker_socket"), folder)
        case "podman":
            return logins.podman(folder)
    return logins.skopeo(folder)


def test_clients_log_in_through_the_relay(
    client: LoginClient, azurite: Azurite, small: LayoutImage
) -> None:
    """At the registry's token service. Without a login they may not push."""
    with ExitStack() as stack:
        registry = LoginRegistries(azurite, stack)["builtin"]
        relay = stack.enter_context(start_relay(registry.host.url))
        authority = f"127.0.0.1:{relay.port}"
        with pytest.raises(CommandFailed):
            client.log_in(authority, ALICE, "a wrong password")
        client.log_in(authority, ALICE, registry.password)
        reference = f"{authority}/team/app:v1"
        client.images.push(small, reference)
        assert client.images.pull(reference).identity == small.identity
        client.log_out(authority)
        with pytest.raises(CommandFailed):
            client.images.push(small, reference)
        assert registry.password not in relay.log()
