"""Large layers: docker compresses them and sends a PATCH, ctr sends a PUT with a length."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.clients import ImageClient
from tests.e2e.conftest import only_nightly
from tests.e2e.images import LayoutImage, noise_image
from tests.e2e.registries import blob_size, get_manifest

_MIB = 1 << 20


@pytest.fixture(scope="module", params=[64 * _MIB, *only_nightly([1024 * _MIB])])
def noise(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LayoutImage]:
    """Build an image of one layer of noise, which does not compress."""
    folder = tmp_path_factory.mktemp("images") / "noise"
    yield noise_image(folder, request.param)
    shutil.rmtree(folder)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["docker", "ctr"])
def test_a_large_layer_is_pulled_as_pushed(
    name: str, client_named: Callable[[str], ImageClient], registry: str, noise: LayoutImage
) -> None:
    """The client verifies the digests of the layer, compressed and uncompressed."""
    client, repository = client_named(name), f"{registry}/large/by-{name}"
    digest = client.push(noise, f"{repository}:latest")

    pulled = client.pull(f"{repository}:latest")

    assert (pulled.digest, pulled.identity) == (digest, noise.identity)
    [layer] = get_manifest(repository, "latest").json()["layers"]
    assert (
        blob_size(repository, layer["digest"])
        == layer["size"]
        > noise.manifest["layers"][0]["size"] * 0.99
    )
