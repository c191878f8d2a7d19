"""The contract for deletions."""

from __future__ import annotations

import pytest

from registry_core.registry import DeletedManifest, Registry
from registry_core.spec.digest import Digest
from registry_core.spec.errors import BlobUnknown, ManifestUnknown, TagInvalid
from tests.support.content import push_blob, push_image, read_blob

from .common import DIGEST, LAYER, SMALL, Carried


class Deletions:
    """Blobs, manifests and tags, deleted."""

    pytestmark = pytest.mark.anyio

    async def test_a_deleted_blob_is_gone_from_its_repository_only(
        self, registry: Registry
    ) -> None:
        for repository in ("a", "b"):
            await push_blob(registry, repository, SMALL)
        await registry.delete_blob("a", Digest.of(SMALL))
        with pytest.raises(BlobUnknown):
            await registry.open_blob("a", Digest.of(SMALL))
        with pytest.raises(BlobUnknown):
            await registry.delete_blob("a", Digest.of(SMALL))
        assert await read_blob(registry, "b", Digest.of(SMALL)) == SMALL

    async def test_a_deleted_manifest_is_gone_with_its_tags(
        self, registry: Registry, carried: Carried
    ) -> None:
        pushed = await push_image(registry, "a", "v1", [LAYER])
        await push_image(registry, "a", "v2", [LAYER])
        other = await push_image(registry, "a", "other", [b"another layer"])
        deleted = await registry.delete_manifest("a", DIGEST)
        if carried.deletions:
            assert deleted == DeletedManifest(DIGEST, pushed, ("v1", "v2"))
        else:
            assert deleted == DeletedManifest(DIGEST)
        for reference in ("v1", "v2", DIGEST):
            with pytest.raises(ManifestUnknown):
                await registry.resolve_manifest("a", reference)
        with pytest.raises(ManifestUnknown):
            await registry.delete_manifest("a", DIGEST)
        assert await registry.resolve_manifest("a", "other") == other

    async def test_a_deleted_tag_leaves_its_manifest(self, registry: Registry) -> None:
        pushed = await push_image(registry, "a", "v1", [LAYER])
        await push_image(registry, "a", "v2", [LAYER])
        assert await registry.delete_tag("a", "v1") == DIGEST
        with pytest.raises(ManifestUnknown):
            await registry.resolve_manifest("a", "v1")
        assert await registry.resolve_manifest("a", "v2") == pushed
        assert await registry.resolve_manifest("a", DIGEST) == pushed

    async def test_a_tag_that_is_not_there_cannot_be_deleted(self, registry: Registry) -> None:
        await push_image(registry, "a", "v1", [LAYER])
        with pytest.raises(ManifestUnknown):
            await registry.delete_tag("a", "v2")
        with pytest.raises(ManifestUnknown):
            await registry.delete_tag("b", "v1")
        with pytest.raises(TagInvalid):
            await registry.delete_tag("a", "v1.")
