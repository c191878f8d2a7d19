"""Clients pull what other clients pushed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product

import pytest

from tests.e2e.clients import ImageClient
from tests.e2e.conftest import CLIENTS, only_nightly
from tests.e2e.images import LayoutImage
from tests.e2e.registries import get_manifest

PAIRS = [
    # docker pushes Docker manifests, podman OCI ones of its own, skopeo and ctr push as is.
    *(("docker", puller) for puller in CLIENTS),
    ("podman", "docker"),
    ("podman", "skopeo"),
    ("skopeo", "podman"),
    ("ctr", "ctr"),
]


@pytest.fixture(scope="module")
def push_once(
    client_named: Callable[[str], ImageClient], registry: str, debian: LayoutImage
) -> Callable[[str], tuple[str, str]]:
    """Return a function that pushes the image by a client and returns repository and digest."""

    @cache
    def push(name: str) -> tuple[str, str]:
        repository = f"{registry}/images/by-{name}"
        return repository, client_named(name).push(debian, f"{repository}:latest")

    return push


@pytest.mark.parametrize(
    "pusher, puller", [*PAIRS, *only_nightly(sorted({*product(CLIENTS, CLIENTS)} - {*PAIRS}))]
)
def test_a_pulled_image_is_the_pushed_one(
    pusher: str,
    puller: str,
    client_named: Callable[[str], ImageClient],
    push_once: Callable[[str], tuple[str, str]],
    debian: LayoutImage,
) -> None:
    """It has the digest that the pusher reported, and the image's own config and layers."""
    repository, digest = push_once(pusher)

    pulled = client_named(puller).pull(f"{repository}:latest")

    assert pulled.digest == digest
    assert pulled.identity == debian.identity
    assert get_manifest(repository, "latest").headers["Docker-Content-Digest"] == digest


@pytest.mark.parametrize("puller", ["docker", "ctr", *only_nightly(["podman", "skopeo"])])
def test_an_image_can_be_pulled_by_its_digest(
    puller: str,
    client_named: Callable[[str], ImageClient],
    registry: str,
    debian: LayoutImage,
) -> None:
    client_named("skopeo").push(debian, f"{registry}/images/by-digest:latest")

    pulled = client_named(puller).pull(f"{registry}/images/by-digest@{debian.digest}")

    assert (pulled.digest, pulled.identity) == (debian.digest, debian.identity)


@pytest.mark.parametrize("name", ["skopeo", "ctr"])
def test_a_client_that_copies_images_as_they_are_keeps_their_digest(
    name: str, client_named: Callable[[str], ImageClient], registry: str, debian: LayoutImage
) -> None:
    """The manifest is stored byte for byte; docker and podman write their own."""
    digest = client_named(name).push(debian, f"{registry}/images/as-is-by-{name}:latest")

    assert digest == debian.digest


@pytest.mark.parametrize("puller", ["docker", *only_nightly(["podman", "skopeo", "ctr"])])
def test_a_tag_can_be_moved_to_another_image(
    puller: str,
    client_named: Callable[[str], ImageClient],
    registry: str,
    debian: LayoutImage,
    two_platforms: LayoutImage,
) -> None:
    """A pull gets what was pushed last, even if it is of another kind."""
    reference = f"{registry}/images/moving:latest"
    client_named("skopeo").push(debian, reference)
    client_named("skopeo").push(two_platforms, reference)

    pulled = client_named(puller).pull(reference)

    assert pulled.identity == two_platforms.identity_for("linux/amd64")
