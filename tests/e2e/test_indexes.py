"""An image index of two platforms: each client pulls each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.conftest import CLIENTS
from tests.support.e2e_clients import ImageClient
from tests.support.images import PLATFORM_LAYERS, LayoutImage


@pytest.fixture(scope="module", params=["skopeo", "ctr"], ids="pushed-by-{}".format)
def pushed(
    request: pytest.FixtureRequest,
    client_named: Callable[[str], ImageClient],
    registry: str,
    two_platforms: LayoutImage,
) -> str:
    """Where the index is, pushed with all its images by each client that can."""
    reference = f"{registry}/indexes/by-{request.param}:latest"
    assert client_named(request.param).push(two_platforms, reference) == two_platforms.digest
    return reference


@pytest.mark.parametrize("platform", PLATFORM_LAYERS)
@pytest.mark.parametrize("puller", CLIENTS)
def test_a_platform_of_an_index_is_pulled(
    pushed: str,
    puller: str,
    platform: str,
    client_named: Callable[[str], ImageClient],
    two_platforms: LayoutImage,
) -> None:
    """By the tag of the index, each client gets the image of the platform it asks for."""
    pulled = client_named(puller).pull(pushed, platform)

    assert pulled.identity == two_platforms.identity_for(platform)
