"""The contract for referrers: the manifests that name another one as their subject."""

from __future__ import annotations

from functools import partial

import pytest

from registry_core.registry import Listing, Registry
from registry_core.spec.descriptor import Descriptor
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import ALL, PageQuery
from registry_core.spec.manifest import parse_manifest
from tests.support.content import CONFIG, push_blob, push_image, push_manifest
from tests.support.referrers import OF_SUBJECT, SBOM, SIGNATURE, artifact, in_order

from .common import DIGEST, LAYER, pages_of


async def push_artifact(registry: Registry, content: bytes) -> Descriptor:
    """Push an artifact, and return the descriptor that the list of referrers should have."""
    document = parse_manifest(content).document
    for blob in (CONFIG, *(b"one", b"two", b"three")):
        if Digest.of(blob) in {each.digest for each in document.blobs}:
            await push_blob(registry, "a", blob)
    pushed = await push_manifest(registry, "a", Digest.of(content), content)
    assert pushed.subject == OF_SUBJECT
    return Descriptor(
        pushed.descriptor.media_type,
        pushed.descriptor.digest,
        len(content),
        annotations=document.annotations,
        artifact_type=document.artifact_type,
    )


class Referrers:
    """Lists of referrers."""

    pytestmark = pytest.mark.anyio

    async def test_a_manifest_with_a_subject_is_listed_by_it(self, registry: Registry) -> None:
        signature = await push_artifact(registry, artifact("one"))
        sbom = await push_artifact(registry, artifact("two", SBOM, annotations={"é": "\n"}))
        listed = await registry.list_referrers("a", OF_SUBJECT, None, ALL)
        assert list(listed.entries) == in_order(signature, sbom)

    async def test_a_list_can_be_restricted_to_a_type(self, registry: Registry) -> None:
        signature = await push_artifact(registry, artifact("one"))
        sbom = await push_artifact(registry, artifact("two", SBOM))
        for artifact_type, expected in ((SIGNATURE, [signature]), (SBOM, [sbom]), ("other", [])):
            listed = await registry.list_referrers("a", OF_SUBJECT, artifact_type, ALL)
            assert list(listed.entries) == expected

    @pytest.mark.parametrize("n", [1, 2, 3, None])
    @pytest.mark.parametrize("artifact_type", [None, SIGNATURE])
    async def test_the_pages_of_a_list_are_all_of_it_in_the_order_of_digests(
        self, registry: Registry, n: int | None, artifact_type: str | None
    ) -> None:
        pushed = [await push_artifact(registry, artifact(name)) for name in ("one", "two", "three")]
        ask = partial(registry.list_referrers, "a", OF_SUBJECT, artifact_type)
        pages = await pages_of(ask, PageQuery(n))
        assert [entry for page in pages for entry in page] == in_order(*pushed)
        assert all(len(page) <= (n or 1000) for page in pages)

    async def test_a_subject_without_referrers_has_an_empty_list(self, registry: Registry) -> None:
        assert await registry.list_referrers("a", DIGEST, None, ALL) == Listing(())
        await push_image(registry, "a", "v1", [LAYER])
        assert await registry.list_referrers("a", DIGEST, None, ALL) == Listing(())
        assert await registry.list_referrers("a", DIGEST, SBOM, ALL) == Listing(())

    async def test_a_deleted_manifest_is_not_listed(self, registry: Registry) -> None:
        kept = await push_artifact(registry, artifact("one"))
        deleted = await push_artifact(registry, artifact("two"))
        await registry.delete_manifest("a", deleted.digest)
        listed = await registry.list_referrers("a", OF_SUBJECT, None, ALL)
        assert listed.entries == (kept,)
