"""Copies of some platforms of an image index."""

from __future__ import annotations

import json

import pytest

from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.transfer.copy import copy_manifest
from registry_core.transfer.errors import PlatformMissing, SparseIndexRefused
from registry_core.transfer.options import CopyOptions
from registry_core.transfer.place import Place
from registry_core.transfer.platforms import Platform
from registry_core.transfer.report import Outcome
from tests.support.content import descriptor, image_index, image_manifest, push_blob, push_manifest
from tests.transfer.places import (
    TARGET,
    Shelf,
    Watched,
    attestation_of,
    child,
    has_manifest,
    image_for,
    push_image_of,
    push_index,
    push_layers,
    push_referrer,
    stored,
)

pytestmark = pytest.mark.anyio

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/s390x")
AMD64, ARM64, S390X = PLATFORMS


def options(*platforms: str, referrers: bool = False) -> CopyOptions:
    return CopyOptions(tuple(map(Platform.parse, platforms)), referrers=referrers)


def sparse_shelf() -> Shelf:
    """A target that takes an index without all that it lists."""
    return Shelf(target=Watched(stored(require_children=False)))


async def test_of_one_platform_its_manifest_gets_the_tag() -> None:
    """As by ``docker pull --platform``."""
    shelf = Shelf()
    index = await push_index(shelf.source, *PLATFORMS, attested=True)
    report = await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], options("linux/arm64/v8"))
    assert (await shelf.target.get_manifest("copy/app", "v1")).content == image_for(ARM64)
    assert report.tags == {"v1": Digest.of(image_for(ARM64))}
    assert report.manifests[Outcome.COPIED].number == 1
    assert not await has_manifest(shelf.target, index)


async def test_of_several_platforms_the_index_keeps_its_digest_and_lacks_the_others() -> None:
    shelf = sparse_shelf()
    index = await push_index(shelf.source, *PLATFORMS, attested=True)
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], options(AMD64, ARM64))
    assert (await shelf.target.get_manifest("copy/app", "v1")).content == index
    for platform in PLATFORMS:
        image, is_copied = image_for(platform), platform != S390X
        assert await has_manifest(shelf.target, image) == is_copied
        assert await has_manifest(shelf.target, attestation_of(image)) == is_copied


async def test_a_target_that_wants_the_whole_index_is_named_with_what_to_do() -> None:
    shelf = Shelf()
    index = await push_index(shelf.source, *PLATFORMS)
    with pytest.raises(SparseIndexRefused) as caught:
        await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], options(AMD64, ARM64))
    for part in ("target.example/copy/app", "one platform", "REGISTRY_VALIDATION_MANIFESTS"):
        assert part in caught.value.message
    assert not await has_manifest(shelf.target, index)


async def test_all_platforms_of_an_index_are_the_whole_index() -> None:
    shelf = Shelf()
    index = await push_index(shelf.source, *PLATFORMS)
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], options(*PLATFORMS))
    assert await has_manifest(shelf.target, index)


async def test_platforms_that_were_left_out_are_copied_later() -> None:
    """Also to a target whose manifests are said to be whole."""
    shelf = sparse_shelf()
    await push_index(shelf.source, *PLATFORMS)
    whole = Place(shelf.target, "copy/app", TARGET, keeps_whole=True)
    await copy_manifest(shelf.here, "v1", whole, ["v1"], options(AMD64, ARM64))
    await copy_manifest(shelf.here, "v1", whole, ["v1"], options(AMD64, S390X))
    assert await has_manifest(shelf.target, image_for(S390X))


async def test_an_index_of_some_platforms_becomes_whole_when_it_is_checked() -> None:
    shelf = sparse_shelf()
    await push_index(shelf.source, *PLATFORMS)
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], options(AMD64, ARM64))
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"])
    assert await has_manifest(shelf.target, image_for(S390X))


async def test_a_platform_that_is_missing_is_named_with_those_there_are() -> None:
    shelf = Shelf()
    await push_index(shelf.source, AMD64, ARM64)
    with pytest.raises(PlatformMissing, match="nothing for linux/s390x; it has linux/amd64, linux"):
        await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], options(AMD64, S390X))
    assert not shelf.target.writes


async def test_an_image_of_another_platform_is_refused() -> None:
    shelf = Shelf()
    await push_image_of(shelf.source, b"one")
    with pytest.raises(PlatformMissing, match="is for linux/amd64, not for linux/arm64"):
        await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], options(ARM64))
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], options(AMD64, ARM64))


async def test_an_artifact_is_for_every_platform() -> None:
    shelf = Shelf()
    await push_blob(shelf.source, "app", b"{}")
    artifact = image_manifest(
        config=descriptor(b"{}", media_types.OCI_EMPTY), artifactType="application/vnd.example"
    )
    await push_manifest(shelf.source, "app", "v1", artifact)
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], options(ARM64))
    assert await has_manifest(shelf.target, artifact)


async def test_what_an_index_does_not_say_the_config_of_the_image_says() -> None:
    shelf = Shelf()
    config = json.dumps({"os": "linux", "architecture": "aarch64"}).encode()
    await push_layers(shelf.source, b"one")
    await push_blob(shelf.source, "app", config)
    amd64 = image_manifest(b"one")
    arm64 = image_manifest(b"one", config=descriptor(config, media_types.OCI_CONFIG))
    for image in (amd64, arm64):
        await push_manifest(shelf.source, "app", Digest.of(image), image)
    await push_manifest(shelf.source, "app", "v1", image_index(amd64, arm64))
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], options(ARM64))
    assert (await shelf.target.get_manifest("copy/app", "v1")).content == arm64


@pytest.mark.parametrize("wanted", [(ARM64,), (AMD64, ARM64)])
async def test_platforms_are_found_in_indexes_below(wanted: tuple[str, ...]) -> None:
    shelf = sparse_shelf()
    inner = await push_index(shelf.source, ARM64, S390X, tag="inner")
    await push_index(shelf.source, AMD64, tag="other")
    children = [child(image_for(AMD64), AMD64), descriptor(inner, media_types.OCI_INDEX)]
    outer = image_index(manifests=children)
    await push_manifest(shelf.source, "app", "outer", outer)
    await copy_manifest(shelf.here, "outer", shelf.there, ["outer"], options(*wanted))
    assert await has_manifest(shelf.target, image_for(ARM64))
    assert not await has_manifest(shelf.target, image_for(S390X))
    assert await has_manifest(shelf.target, outer) == (len(wanted) > 1)
    assert await has_manifest(shelf.target, inner) == (len(wanted) > 1)


async def test_referrers_of_what_is_left_out_are_left_out() -> None:
    shelf = sparse_shelf()
    await push_index(shelf.source, *PLATFORMS)
    signatures = {
        platform: await push_referrer(shelf.source, image_for(platform), f"of {platform}")
        for platform in PLATFORMS
    }
    wanted = options(AMD64, ARM64, referrers=True)
    await copy_manifest(shelf.here, "v1", shelf.there, ["v1"], wanted)
    for platform, signature in signatures.items():
        assert await has_manifest(shelf.target, signature) == (platform != S390X)
