"""A layer of 1 GiB: docker compresses it and sends it by PATCH, containerd sends it as it is by PUT."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
import shutil

import httpx
import pytest

from tests.support.e2e_clients import ImageClient
from tests.support.images import LayoutImage, noise_image

_GIB = 1 << 30


@pytest.fixture(scope="module")
def one_gib(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LayoutImage]:
    """An image of one layer of a GiB of noise, which compression does not make smaller."""
    folder = tmp_path_factory.mktemp("images") / "noise"
    yield noise_image(folder, _GIB)
    shutil.rmtree(folder)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["docker", "ctr"])
def test_a_layer_of_one_gib_comes_back_as_it_went(
    name: str, client_named: Callable[[str], ImageClient], registry: str, one_gib: LayoutImage
) -> None:
    """The client checks what it pulls against the digests of the layer, packed and unpacked."""
    client, repository = client_named(name), f"large/by-{name}"
    digest = client.push(one_gib, f"{registry}/{repository}:latest")

    pulled = client.pull(f"{registry}/{repository}:latest")

    assert (pulled.digest, pulled.identity) == (digest, one_gib.identity)
    assert _size_of_only_layer(registry, repository) > _GIB


def _size_of_only_layer(registry: str, repository: str) -> int:
    """As the registry's blob has it, whatever the manifest says."""
    url = f"http://{registry}/v2/{repository}"
    accept = "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"
    manifest = httpx.get(f"{url}/manifests/latest", headers={"Accept": ", ".join(accept)}).json()
    [layer] = manifest["layers"]
    return int(httpx.head(f"{url}/blobs/{layer['digest']}").headers["Content-Length"])
