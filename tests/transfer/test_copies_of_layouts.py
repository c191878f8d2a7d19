"""Copies between registries, layouts and archives: what arrives is what was there."""

import os
from pathlib import Path

import pytest

from registry_core.object_store.memory import MemoryStore
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import ALL
from registry_core.spec.errors import ManifestUnknown
from registry_core.storage.stored_registry import StoredRegistry
from registry_core.transfer.copy import copy_manifest, copy_tags, list_tags
from registry_core.transfer.local_places import open_source, open_target
from registry_core.transfer.options import CopyOptions
from registry_core.transfer.place import Place
from registry_core.transfer.platforms import Platform
from tests.support.content import (
    CONFIG,
    descriptor,
    image_index,
    image_manifest,
    push_blob,
    push_manifest,
    random_bytes,
    read_blob,
)

pytestmark = pytest.mark.anyio

LAYERS = [random_bytes(size, seed=size) for size in (0, 100, 3_000_000)]
AMD64, ARM64 = image_manifest(*LAYERS), image_manifest(LAYERS[1], annotations={"arch": "arm64"})
OTHER = image_manifest(LAYERS[0])


def child(content: bytes, architecture: str) -> dict[str, object]:
    platform = {"os": "linux", "architecture": architecture}
    return descriptor(content, media_types.OCI_MANIFEST) | {"platform": platform}


INDEX = image_index(manifests=[child(AMD64, "amd64"), child(ARM64, "arm64")])
SIGNATURE = image_manifest(
    LAYERS[1], artifactType="application/x", subject=descriptor(INDEX, media_types.OCI_INDEX)
)
SIGNATURE_OF_SIGNATURE = image_manifest(
    artifactType="application/y", subject=descriptor(SIGNATURE, media_types.OCI_MANIFEST)
)
MANIFESTS = (AMD64, ARM64, OTHER, INDEX, SIGNATURE, SIGNATURE_OF_SIGNATURE)

REFERRERS = CopyOptions(referrers=True)


@pytest.fixture
async def registry() -> StoredRegistry:
    """A registry with an index, its referrers, and another image."""
    made = StoredRegistry(MemoryStore())
    for content in (CONFIG, *LAYERS):
        await push_blob(made, "app", content)
    for content in MANIFESTS:
        await push_manifest(made, "app", Digest.of(content), content)
    for tag, content in (("v1", INDEX), ("other", OTHER)):
        await push_manifest(made, "app", tag, content)
    return made


async def assert_complete(registry: StoredRegistry, repository: str) -> None:
    for content in MANIFESTS:
        found = await registry.get_manifest(repository, Digest.of(content))
        assert found.content == content
    for content in LAYERS:
        if content:
            assert await read_blob(registry, repository, Digest.of(content)) == content
    assert [tag.name for tag in (await registry.list_tags(repository, ALL)).entries] == [
        "other",
        "v1",
    ]
    for subject, referrer in ((INDEX, SIGNATURE), (SIGNATURE, SIGNATURE_OF_SIGNATURE)):
        listing = await registry.list_referrers(repository, Digest.of(subject), None, ALL)
        assert [entry.digest for entry in listing.entries] == [Digest.of(referrer)]


@pytest.mark.parametrize("transport", ["oci", "oci-archive"])
async def test_a_repository_comes_back_from_a_layout_as_it_was(
    transport: str, registry: StoredRegistry, tmp_path: Path
) -> None:
    """With all tags, platforms and referrers."""
    path, back = tmp_path / "layout", Place(StoredRegistry(MemoryStore()), "back", "back")
    source = Place(registry, "app", "registry")
    async with open_target(transport, path) as layout:
        tags = await list_tags(source)
        await copy_tags(source, tags, Place(layout, "", "layout"), REFERRERS)

    async with open_source(transport, path) as layout:
        place = Place(layout, "", "layout")
        report = await copy_tags(place, await list_tags(place), back, REFERRERS)

    assert not report.failures
    await assert_complete(back.registry, "back")


async def test_a_layout_that_is_copied_to_again_gets_nothing_new(
    registry: StoredRegistry, tmp_path: Path
) -> None:
    source = Place(registry, "app", "registry")
    for is_new in (True, False):
        async with open_target("oci", tmp_path / "layout") as layout:
            target = Place(layout, "", "layout")
            report = await copy_manifest(source, "v1", target, ["v1"], REFERRERS)
        assert report.changed is is_new


async def test_a_blob_that_is_incomplete_in_a_layout_is_copied_again(
    registry: StoredRegistry, tmp_path: Path
) -> None:
    """As other tools leave it when they are cut off."""
    blob = tmp_path / "layout/blobs/sha256" / Digest.of(LAYERS[2]).hex
    for _ in range(2):
        async with open_target("oci", tmp_path / "layout") as layout:
            source = Place(registry, "app", "registry")
            await copy_manifest(source, "v1", Place(layout, "", "layout"), ["v1"])
        assert blob.read_bytes() == LAYERS[2]
        os.truncate(blob, 1000)


async def test_one_platform_of_an_archive_is_copied(
    registry: StoredRegistry, tmp_path: Path
) -> None:
    async with open_target("oci-archive", tmp_path / "a.tar") as layout:
        source = Place(registry, "app", "registry")
        await copy_manifest(source, "v1", Place(layout, "", "layout"), ["v1"])

    options = CopyOptions(platforms=(Platform.parse("linux/arm64"),))
    async with (
        open_source("oci-archive", tmp_path / "a.tar") as layout,
        open_target("docker-archive", tmp_path / "b.tar") as target,
    ):
        place = Place(target, "app", "archive")
        await copy_manifest(Place(layout, "", "layout"), "v1", place, ["v1"], options)

    async with open_source("docker-archive", tmp_path / "b.tar") as archive:
        assert (await archive.select("app:v1")).digest == Digest.of(ARM64)
        with pytest.raises(ManifestUnknown):
            await archive.get_manifest("", Digest.of(AMD64))


async def test_several_platforms_make_a_layout_that_lacks_the_others(
    registry: StoredRegistry, tmp_path: Path
) -> None:
    platforms = tuple(map(Platform.parse, ("linux/arm64", "linux/arm64/v8")))
    options = CopyOptions(platforms=platforms)
    async with open_target("oci", tmp_path / "layout") as layout:
        source = Place(registry, "app", "registry")
        await copy_manifest(source, "v1", Place(layout, "", "layout"), ["v1"], options)

    async with open_source("oci", tmp_path / "layout") as layout:
        assert (await layout.get_manifest("", Digest.of(ARM64))).content == ARM64
        with pytest.raises(ManifestUnknown):
            await layout.get_manifest("", Digest.of(AMD64))
