"""An image index of two platforms, pulled by platform."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from tests.e2e.clients import ImageClient
from tests.e2e.conftest import CLIENTS, only_nightly
from tests.e2e.images import PLATFORM_LAYERS, LayoutImage


@pytest.fixture(scope="module")
def pushed(
    request: pytest.FixtureRequest,
    client_named: Callable[[str], ImageClient],
    registry: str,
    two_platforms: LayoutImage,
) -> str:
    """Push the index with all its images by one of the clients that can; return its reference."""
    reference = f"{registry}/indexes/by-{request.param}:latest"
    assert client_named(request.param).push(two_platforms, reference) == two_platforms.digest
    return reference


CASES = [
    *(("skopeo", puller, "linux/arm64") for puller in CLIENTS),
    ("ctr", "docker", "linux/amd64"),
    ("ctr", "podman", "linux/amd64"),
]
ALL_CASES = {*product(("skopeo", "ctr"), CLIENTS, PLATFORM_LAYERS)}


@pytest.mark.parametrize(
    "pushed, puller, platform",
    [*CASES, *only_nightly(sorted(ALL_CASES - {*CASES}))],
    indirect=["pushed"],
)
def test_a_platform_of_an_index_is_pulled(
    pushed: str,
    puller: str,
    platform: str,
    client_named: Callable[[str], ImageClient],
    two_platforms: LayoutImage,
) -> None:
    """By the tag of the index, each client gets the image of the platform that it asks for."""
    pulled = client_named(puller).pull(pushed, platform)

    assert pulled.identity == two_platforms.identity_for(platform)
