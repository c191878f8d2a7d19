"""Our client of CNCF distribution 2.8.2, as packaged by Debian: what the contract says and it does.

What it does not do is listed with the reasons in `LACKING`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from registry_core.client import ClientOptions, HttpRegistry
from registry_core.registry import Chunk, Listing, Registry
from registry_core.spec.digest import Digest
from registry_core.spec.endpoints import ALL, PageQuery
from registry_core.spec.errors import ManifestUnknown, Unsupported
from registry_core.spec.media_types import OCI_MANIFEST
from registry_core.spec.references import fallback_tag
from tests.contracts.registry import OVER_HTTP, Carried, Snapshot
from tests.contracts.registry.blobs import Blobs
from tests.contracts.registry.common import DIGEST, LAYER, pages_of
from tests.contracts.registry.deletions import Deletions
from tests.contracts.registry.listings import Listings
from tests.contracts.registry.manifests import Manifests
from tests.contracts.registry.preconditions import Preconditions
from tests.contracts.registry.referrers import Referrers
from tests.contracts.registry.uploads import Uploads
from tests.e2e.takeover.distribution import Distribution
from tests.support.content import (
    CONFIG,
    descriptor,
    image_index,
    push_blob,
    push_image,
    push_manifest,
    random_bytes,
)
from tests.support.referrers import OF_SUBJECT, SBOM, SIGNATURE, artifact

pytestmark = pytest.mark.anyio


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    folder = tmp_path / "registry"
    return lambda: {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def carried() -> Carried:
    return OVER_HTTP


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    with Distribution(tmp_path / "registry") as authority:
        async with HttpRegistry.open(ClientOptions(f"http://{authority}")) as registry:
            yield registry


class TestDistribution(Blobs, Uploads, Manifests, Preconditions, Deletions, Listings, Referrers):
    """Distribution over a folder: the contract, without `LACKING`."""


_NO_API = "it has no referrers API: the client keeps the list under the fallback tag"
_LEFT = "its DELETE of an upload, and its PUT with a wrong digest, leave files of the hash"
_STATE = "the state of an upload names its offset, and is refused once it is not the latest"

LACKING = {
    "test_a_manifest_with_a_subject_is_listed_by_it": _NO_API,
    "test_a_list_can_be_restricted_to_a_type": _NO_API,
    "test_the_pages_of_a_list_are_all_of_it_in_the_order_of_digests": _NO_API,
    "test_a_deleted_manifest_is_not_listed": _NO_API,
    "test_an_upload_with_a_wrong_digest_is_discarded": _LEFT,
    "test_a_cancelled_upload_is_gone": _LEFT,
    "test_a_blob_that_is_not_there_cannot_be_mounted_and_leaves_nothing": _LEFT,
    "test_of_two_requests_that_continue_the_same_state_only_one_is_accepted": _STATE,
    "test_a_client_that_lost_an_answer_can_look_what_arrived": _STATE,
    "test_finishing_again_after_a_lost_answer_succeeds": _STATE,
    "test_a_piece_of_another_length_than_announced_is_discarded": "it keeps what has arrived",
    "test_a_blob_is_mounted_from_any_repository": "it wants the name of the source",
    "test_a_deleted_tag_leaves_its_manifest": "it deletes manifests by digest only",
    "test_a_tag_that_is_not_there_cannot_be_deleted": "it deletes manifests by digest only",
    "test_a_tag_is_deleted_only_if_it_points_where_it_was_expected": "as the one before",
    "test_a_manifest_can_be_pushed_by_its_sha512": "its manifests have a sha256",
    "test_a_manifest_whose_references_are_missing_is_refused_with_nothing_written": "it writes the "
    "digest as the detail of the error",
    "test_a_repository_without_tags_has_an_empty_list_and_an_unknown_one_is_refused": "it knows no "
    "repository without tags",
    "test_the_pages_of_the_catalog_are_all_repositories_in_lexical_order": "its order is that of "
    "folders: a/b before a-b",
    "test_a_token_of_another_listing_is_refused": "it lists all tags on one page",
}
"""What distribution 2.8.2 does not do as the contract has it, and why."""

for _name in LACKING:
    assert callable(getattr(TestDistribution, _name))
    setattr(TestDistribution, _name, None)


async def test_a_tag_cannot_be_deleted_and_the_error_says_what_can(registry: Registry) -> None:
    await push_image(registry, "a", "v1", [LAYER])
    with pytest.raises(Unsupported, match="delete the manifest by its digest, with all tags"):
        await registry.delete_tag("a", "v1")
    await registry.delete_manifest("a", DIGEST)
    with pytest.raises(ManifestUnknown):
        await registry.resolve_manifest("a", "v1")


async def test_the_list_under_the_fallback_tag_is_the_list_of_referrers(registry: Registry) -> None:
    """The registry says that it keeps none: the result of the push has no subject."""
    referrers = {SIGNATURE: artifact("one"), SBOM: artifact("two", SBOM)}
    for blob in (CONFIG, b"one", b"two"):
        await push_blob(registry, "a", blob)
    for content in referrers.values():
        pushed = await push_manifest(registry, "a", Digest.of(content), content)
        assert pushed.subject is None
    assert await registry.list_referrers("a", OF_SUBJECT, None, ALL) == Listing(())
    entries = [
        descriptor(content, OCI_MANIFEST) | {"artifactType": kind}
        for kind, content in referrers.items()
    ]
    await push_manifest(registry, "a", fallback_tag(OF_SUBJECT), image_index(manifests=entries))
    listed = await registry.list_referrers("a", OF_SUBJECT, None, ALL)
    assert [entry.digest for entry in listed.entries] == sorted(map(Digest.of, referrers.values()))
    [sbom] = (await registry.list_referrers("a", OF_SUBJECT, SBOM, ALL)).entries
    assert (sbom.digest, sbom.artifact_type) == (Digest.of(referrers[SBOM]), SBOM)


async def test_the_catalog_is_listed_page_by_page_in_its_own_order(registry: Registry) -> None:
    for name in ("b", "a/b", "a-b", "a"):
        await push_image(registry, name, "v1", [LAYER])
    for n in (1, 3):
        pages = await pages_of(registry.list_repositories, PageQuery(n))
        assert [name for page in pages for name in page] == ["a", "a/b", "a-b", "b"]


async def test_a_part_of_an_upload_that_fails_is_not_left_behind(
    registry: Registry, snapshot: Snapshot
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield random_bytes(2**20)
        yield random_bytes(2**20, 1)
        raise RuntimeError("the source of the copy is gone")

    upload = await registry.start_upload("a")
    with pytest.raises(RuntimeError, match="is gone"):
        await registry.finish_upload(upload, DIGEST, Chunk(broken()))
    assert not [path for path in snapshot() if path.endswith("/data")]
