"""Each client pulls what each client pushed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.e2e.conftest import CLIENTS
from tests.support.e2e_clients import ImageClient
from tests.support.e2e_registry import get_manifest
from tests.support.images import LayoutImage


@dataclass(frozen=True)
class Pushed:
    """What a client has pushed, and the digest that it reported."""

    by: str
    repository: str
    digest: str

    @property
    def reference(self) -> str:
        return f"{self.repository}:latest"


@pytest.fixture(scope="module", params=CLIENTS, ids=[f"pushed-by-{name}" for name in CLIENTS])
def pushed(
    request: pytest.FixtureRequest,
    client_named: Callable[[str], ImageClient],
    registry: str,
    debian: LayoutImage,
) -> Pushed:
    """The image of several layers in the registry, pushed by each client in turn."""
    name: str = request.param
    repository = f"{registry}/images/by-{name}"
    digest = client_named(name).push(debian, f"{repository}:latest")
    return Pushed(name, repository, digest)


@pytest.fixture(params=CLIENTS, ids=[f"pulled-by-{name}" for name in CLIENTS])
def puller(
    request: pytest.FixtureRequest, client_named: Callable[[str], ImageClient]
) -> ImageClient:
    """Each client in turn."""
    return client_named(request.param)


def test_a_pulled_image_is_the_pushed_one(
    pushed: Pushed, puller: ImageClient, debian: LayoutImage
) -> None:
    """It has the digest that the pusher reported, and the image's own config and layers."""
    pulled = puller.pull(pushed.reference)

    assert pulled.digest == pushed.digest
    assert pulled.identity == debian.identity


def test_an_image_can_be_pulled_by_its_digest(
    puller: ImageClient,
    client_named: Callable[[str], ImageClient],
    registry: str,
    debian: LayoutImage,
) -> None:
    """By digest as by tag."""
    client_named("skopeo").push(debian, f"{registry}/images/by-digest:latest")

    pulled = puller.pull(f"{registry}/images/by-digest@{debian.digest}")

    assert (pulled.digest, pulled.identity) == (debian.digest, debian.identity)


def test_the_registry_names_the_digest_that_the_client_reported(pushed: Pushed) -> None:
    """Asked for the tag, it says what the tag points to."""
    manifest = get_manifest(pushed.repository, "latest")

    assert manifest.headers["Docker-Content-Digest"] == pushed.digest


@pytest.mark.parametrize("name", ["skopeo", "ctr"])
def test_a_client_that_copies_images_as_they_are_keeps_their_digest(
    name: str, client_named: Callable[[str], ImageClient], registry: str, debian: LayoutImage
) -> None:
    """The manifest is stored byte for byte; docker and podman write one of their own."""
    digest = client_named(name).push(debian, f"{registry}/images/as-is-by-{name}:latest")

    assert digest == debian.digest


def test_a_tag_can_be_moved_to_another_image(
    puller: ImageClient,
    client_named: Callable[[str], ImageClient],
    registry: str,
    debian: LayoutImage,
    two_platforms: LayoutImage,
) -> None:
    """Who pulls a tag gets what was pushed last, be it of another kind."""
    reference = f"{registry}/images/moving:latest"
    client_named("skopeo").push(debian, reference)
    client_named("skopeo").push(two_platforms, reference)

    assert puller.pull(reference).identity == two_platforms.identity_for("linux/amd64")
