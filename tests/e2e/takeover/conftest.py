"""A registry filled by distribution and taken over by ours, with four storage layouts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from registry_core.serve.azurite import Azurite
from tests.e2e.clients import ImageClient
from tests.e2e.conftest import only_nightly
from tests.e2e.images import LayoutImage, noise_image
from tests.e2e.takeover.changes import Changed, change
from tests.e2e.takeover.contents import Filled, Images, fill
from tests.e2e.takeover.distribution import Distribution
from tests.e2e.takeover.trees import load_tree, write_tree
from tests.support.azure_answers import AzureAnswers
from tests.support.azurite import create_container
from tests.support.host import RunningHost, start_host


@dataclass(frozen=True)
class Load:
    """The form of distribution's files in the container."""

    root: str
    append: bool


LOADS = {
    "v3-blocks": Load("", append=False),
    "v2-appends": Load("/", append=True),
    "v3-appends": Load("", append=True),
    "v2-blocks": Load("/", append=False),
}
_IN_EVERY_RUN = ["v3-blocks", "v2-appends"]  # both forms of names, both kinds of blobs


@dataclass(frozen=True)
class TakenOver:
    """Our registry over a container that distribution filled."""

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
    """Fill distribution's registry by skopeo and docker. It does not change afterwards."""
    folder = tmp_path_factory.mktemp("takeover") / "distribution"
    folder.mkdir()
    with Distribution(folder) as authority:
        return fill(folder, authority, skopeo, client_named("docker"), images)


@pytest.fixture(
    scope="session",
    params=[*_IN_EVERY_RUN, *only_nightly(sorted({*LOADS} - {*_IN_EVERY_RUN}))],
)
def taken_over(
    request: pytest.FixtureRequest, azurite: Azurite, filled: Filled
) -> Iterator[TakenOver]:
    """Run our registry, which detects the form of the names.

    With append blobs, storage answers as Azure does when they are overwritten.
    """
    load = LOADS[request.param]
    container = create_container(azurite)
    load_tree(azurite, container, filled.folder, root=load.root, append=load.append)
    with ExitStack() as stack:
        storage = stack.enter_context(AzureAnswers(azurite)) if load.append else azurite
        settings = {
            "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": storage.connection_string,
            "REGISTRY_STORAGE_AZURE_CONTAINER": container,
            "REGISTRY_HTTP_SECRET": "a secret of the takeover, long enough",
        }
        host = stack.enter_context(start_host(settings))
        yield TakenOver(host, container, load.root)


@dataclass(frozen=True)
class ChangedRegistry:
    """A registry that was taken over, after pushes and deletions."""

    registry: TakenOver
    changes: Changed

    @property
    def authority(self) -> str:
        return self.registry.authority


@pytest.fixture(scope="session")
def changed(taken_over: TakenOver, skopeo: ImageClient, images: Images) -> ChangedRegistry:
    """Push and delete; only repositories named `changed/...` differ from `filled`."""
    return ChangedRegistry(taken_over, change(taken_over.authority, skopeo, images))


@dataclass(frozen=True)
class GivenBack:
    """The final content of the container, as files for distribution."""

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
