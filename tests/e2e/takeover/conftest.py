"""A registry that distribution filled, and the same one taken over by ours in four ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from registry_core.serve.azurite import Azurite
from tests.e2e.takeover.changes import Changed, change
from tests.e2e.takeover.contents import Filled, Images, fill
from tests.support.azure_answers import AzureAnswers
from tests.support.azurite import create_container
from tests.support.distribution import Distribution
from tests.support.e2e_clients import ImageClient
from tests.support.host import RunningHost, start_host
from tests.support.images import LayoutImage, noise_image
from tests.support.trees import load_tree, write_tree


@dataclass(frozen=True)
class Load:
    """How distribution's files come into the container."""

    root: str
    append: bool


LOADS = {
    "v3-blocks": Load("", append=False),
    "v2-appends": Load("/", append=True),
    "v3-appends": Load("", append=True),
    "v2-blocks": Load("/", append=False),
}


@dataclass(frozen=True)
class TakenOver:
    """Our registry over what distribution wrote."""

    host: RunningHost
    container: str
    root: str

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.host.port}"

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.host.url}/v2/{path}", follow_redirects=True)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory, two_platforms: LayoutImage) -> Images:
    folder = tmp_path_factory.mktemp("takeover-images")
    old, new = (noise_image(folder / name, 1 << 20) for name in ("old", "new"))
    return Images(old, new, two_platforms)


@pytest.fixture(scope="session")
def skopeo(client_named: Callable[[str], ImageClient]) -> ImageClient:
    return client_named("skopeo")


@pytest.fixture(scope="session")
def filled(
    tmp_path_factory: pytest.TempPathFactory,
    client_named: Callable[[str], ImageClient],
    skopeo: ImageClient,
    images: Images,
) -> Filled:
    """Filled by skopeo and docker. Nothing of it changes any more."""
    folder = tmp_path_factory.mktemp("takeover") / "distribution"
    folder.mkdir()
    with Distribution(folder) as authority:
        return fill(folder, authority, skopeo, client_named("docker"), images)


@pytest.fixture(scope="session", params=list(LOADS))
def taken_over(
    request: pytest.FixtureRequest, azurite: Azurite, filled: Filled
) -> Iterator[TakenOver]:
    """Our registry finds out by itself which form the names have.

    Where there are append blobs it meets Azure's answers to writing over them.
    """
    load = LOADS[request.param]
    container = create_container(azurite)
    load_tree(azurite, container, filled.folder, root=load.root, append=load.append)
    with ExitStack() as stack:
        storage = stack.enter_context(AzureAnswers(azurite)) if load.append else azurite
        settings = {
            "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": storage.connection_string,
            "REGISTRY_STORAGE_AZURE_CONTAINER": container,
            "REGISTRY_HTTP_SECRET": "a secret of the takeover",
        }
        host = stack.enter_context(start_host(settings))
        yield TakenOver(host, container, load.root)


@dataclass(frozen=True)
class ChangedRegistry:
    """The same, after it was pushed to and deleted from."""

    registry: TakenOver
    changes: Changed

    @property
    def authority(self) -> str:
        return self.registry.authority


@pytest.fixture(scope="session")
def changed(taken_over: TakenOver, skopeo: ImageClient, images: Images) -> ChangedRegistry:
    """What `filled` says of the registry is not changed, but for repositories named for it."""
    return ChangedRegistry(taken_over, change(taken_over.authority, skopeo, images))


@dataclass(frozen=True)
class GivenBack:
    """What is in the container at last, as files for distribution."""

    changes: Changed
    folder: Path


@pytest.fixture(scope="session")
def given_back(
    changed: ChangedRegistry, azurite: Azurite, tmp_path_factory: pytest.TempPathFactory
) -> GivenBack:
    folder = tmp_path_factory.mktemp("given-back") / "distribution"
    registry = changed.registry
    write_tree(azurite, registry.container, folder, root=registry.root)
    return GivenBack(changed.changes, folder)
