"""A layer of 1 GiB: docker compresses it and sends it by PATCH, ctr sends it as it is by PUT."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest

from tests.support.e2e_clients import ImageClient
from tests.support.e2e_registry import blob_size, get_manifest
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
    client, repository = client_named(name), f"{registry}/large/by-{name}"
    digest = client.push(one_gib, f"{repository}:latest")

    pulled = client.pull(f"{repository}:latest")

    assert (pulled.digest, pulled.identity) == (digest, one_gib.identity)
    [layer] = get_manifest(repository, "latest").json()["layers"]
    assert blob_size(repository, layer["digest"]) == layer["size"] > _GIB
