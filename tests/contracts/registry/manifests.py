"""The contract for manifests and tags: pushed, pulled and refused."""

from __future__ import annotations

import pytest

from registry_core.registry import Registry
from registry_core.spec import media_types
from registry_core.spec.digest import Digest
from registry_core.spec.errors import (
    ManifestBlobUnknown,
    ManifestUnknown,
    NameInvalid,
    TagInvalid,
)
from registry_core.spec.manifest import parse_manifest
from tests.support.content import (
    CONFIG,
    descriptor,
    image_index,
    image_manifest,
    push_blob,
    push_image,
    push_manifest,
)

from .common import DIGEST, LAYER, MANIFEST, Snapshot


class Manifests:
    """Manifests of a repository, and its tags."""

    pytestmark = pytest.mark.anyio

    async def test_a_pushed_manifest_is_pulled_by_tag_and_by_digest(
        self, registry: Registry
    ) -> None:
        pushed = await push_image(registry, "a/b", "v1", [LAYER])
        assert (pushed.digest, pushed.media_type) == (DIGEST, media_types.OCI_MANIFEST)
        for reference in ("v1", DIGEST):
            assert await registry.resolve_manifest("a/b", reference) == pushed
            got = await registry.get_manifest("a/b", reference)
            assert (got.descriptor, got.content) == (pushed, MANIFEST)

    async def test_a_manifest_without_a_tag_is_pulled_by_its_digest(
        self, registry: Registry
    ) -> None:
        pushed = await push_image(registry, "a", DIGEST, [LAYER])
        assert await registry.resolve_manifest("a", DIGEST) == pushed

    async def test_a_docker_manifest_keeps_its_type(self, registry: Registry) -> None:
        docker = image_manifest(
            LAYER,
            mediaType=media_types.DOCKER_MANIFEST,
            config=descriptor(CONFIG, media_types.DOCKER_CONFIG),
        )
        for content in (CONFIG, LAYER):
            await push_blob(registry, "a", content)
        pushed = await push_manifest(registry, "a", "v1", docker)
        assert pushed.descriptor.media_type == media_types.DOCKER_MANIFEST
        assert (await registry.get_manifest("a", "v1")).descriptor == pushed.descriptor

    async def test_a_manifest_is_pushed_with_several_tags(self, registry: Registry) -> None:
        tags = ["v1", "v1.0", "latest"]
        for content in (CONFIG, LAYER):
            await push_blob(registry, "a", content)
        pushed = await registry.push_manifest("a", parse_manifest(MANIFEST), tags)
        assert pushed.descriptor.digest == DIGEST
        for tag in tags:
            assert await registry.resolve_manifest("a", tag) == pushed.descriptor

    async def test_a_manifest_is_pushed_with_any_number_of_tags(self, registry: Registry) -> None:
        tags = [f"{number:0128}" for number in range(150)]
        for content in (CONFIG, LAYER):
            await push_blob(registry, "a", content)
        await registry.push_manifest("a", parse_manifest(MANIFEST), tags)
        for tag in (tags[0], tags[75], tags[-1]):
            assert (await registry.resolve_manifest("a", tag)).digest == DIGEST

    async def test_a_manifest_can_be_pushed_by_its_sha512(self, registry: Registry) -> None:
        digest = Digest.of(MANIFEST, "sha512")
        pushed = await push_image(registry, "a", digest, [LAYER])
        assert pushed.digest == digest
        assert (await registry.get_manifest("a", digest)).content == MANIFEST
        manifest = parse_manifest(MANIFEST, digest=digest)
        await registry.push_manifest("a", manifest, ["v1"])
        assert (await registry.get_manifest("a", "v1")).descriptor == pushed

    async def test_a_tag_moves(self, registry: Registry) -> None:
        first = await push_image(registry, "a", "latest", [LAYER])
        second = await push_image(registry, "a", "latest", [b"another layer"])
        assert (await registry.get_manifest("a", "latest")).descriptor == second
        assert (await registry.get_manifest("a", first.digest)).descriptor == first

    async def test_manifests_of_other_repositories_are_unknown(self, registry: Registry) -> None:
        await push_image(registry, "a", "v1", [LAYER])
        other = Digest.of(b"other")
        for repository, reference in (("b", "v1"), ("b", DIGEST), ("a", "v2"), ("a", other)):
            with pytest.raises(ManifestUnknown):
                await registry.get_manifest(repository, reference)
            with pytest.raises(ManifestUnknown):
                await registry.resolve_manifest(repository, reference)

    async def test_an_index_needs_its_children(self, registry: Registry) -> None:
        with pytest.raises(ManifestBlobUnknown):
            await push_manifest(registry, "a", "multi", image_index(MANIFEST))
        await push_image(registry, "a", DIGEST, [LAYER])
        pushed = await push_manifest(registry, "a", "multi", image_index(MANIFEST))
        index = pushed.descriptor
        assert (await registry.get_manifest("a", "multi")).descriptor == index
        assert index.media_type == media_types.OCI_INDEX

    async def test_a_manifest_whose_references_are_missing_is_refused_with_nothing_written(
        self, registry: Registry, snapshot: Snapshot
    ) -> None:
        await push_blob(registry, "a", CONFIG)
        await push_blob(registry, "elsewhere", LAYER)
        before = snapshot()
        with pytest.raises(ManifestBlobUnknown) as error:
            await push_manifest(registry, "a", "v1", MANIFEST)
        assert [e.detail for e in error.value.errors] == [{"digest": str(Digest.of(LAYER))}]
        assert snapshot() == before

    @pytest.mark.parametrize("name", ["BAD", "../x", "a//b", ""])
    async def test_a_manifest_needs_a_repository_and_tags_with_valid_names(
        self, registry: Registry, snapshot: Snapshot, name: str
    ) -> None:
        manifest = parse_manifest(image_manifest())
        with pytest.raises(NameInvalid):
            await registry.push_manifest(name, manifest)
        for tag in ("../x", "v1.", "-"):
            with pytest.raises(TagInvalid):
                await registry.push_manifest("a", manifest, [tag])
        assert snapshot() == {}
