"""Our registry serves what distribution wrote: both forms of names, block and append blobs."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from registry_core.spec import media_types
from registry_core.spec.digest import SHA512, Digest
from tests.e2e.clients import ImageClient
from tests.e2e.takeover.conftest import TakenOver
from tests.e2e.takeover.contents import (
    ALONE,
    BY_SHA512,
    Filled,
    Images,
    head,
    pull_all,
    tags_of,
)


def test_everything_is_pulled_as_from_distribution(
    taken_over: TakenOver, filled: Filled, skopeo: ImageClient
) -> None:
    """Moved tags, indexes, repositories in repositories, and manifests without a tag."""
    assert pull_all(skopeo, taken_over.authority, filled.pulled) == filled.pulled


@pytest.mark.parametrize("client", ["docker", "ctr"])
def test_an_image_is_pulled_by(
    client: str,
    taken_over: TakenOver,
    images: Images,
    client_named: Callable[[str], ImageClient],
) -> None:
    pulled = client_named(client).pull(f"{taken_over.authority}/library/app:v1")
    assert pulled.digest == images.old.digest
    assert pulled.identity == images.old.identity


def test_tags_are_listed_as_by_distribution(taken_over: TakenOver, filled: Filled) -> None:
    assert {name: tags_of(taken_over.authority, name) for name in filled.tags} == filled.tags


def test_what_was_deleted_stays_deleted(taken_over: TakenOver, images: Images) -> None:
    """Even though the links to its layers still exist."""
    for reference in ("gone", images.new.digest):
        assert head(taken_over.authority, "deleted/app", reference).status_code == 404


def test_a_blob_of_a_repository_without_manifests_is_pulled(taken_over: TakenOver) -> None:
    assert taken_over.get(f"blobs/only/blobs/{Digest.of(ALONE)}").content == ALONE
    assert taken_over.get("blobs/only/tags/list").status_code == 404


def test_a_manifest_of_schema_1_is_served_as_stored(taken_over: TakenOver, filled: Filled) -> None:
    """Stored without the signature, which distribution creates for each answer."""
    for reference in ("v1", filled.schema_1):
        answer = taken_over.get(f"schema/app/manifests/{reference}")
        assert Digest.of(answer.content) == filled.schema_1
        assert answer.headers["Content-Type"] == media_types.DOCKER_SCHEMA_1
        assert answer.headers["Docker-Content-Digest"] == str(filled.schema_1)


def test_a_blob_pushed_by_its_sha512_is_pulled_by_it(taken_over: TakenOver) -> None:
    """It is stored under its sha256, to which the link refers."""
    digest = Digest.of(BY_SHA512, SHA512)
    answer = taken_over.get(f"by/sha512/blobs/{digest}")
    assert answer.content == BY_SHA512
    headers = httpx.head(f"{taken_over.host.url}/v2/by/sha512/blobs/{digest}").headers
    assert headers["Docker-Content-Digest"] == str(digest)
    assert headers["Content-Length"] == str(len(BY_SHA512))
    mounting = {"mount": str(digest), "from": "by/sha512"}
    answer = httpx.post(f"{taken_over.host.url}/v2/other/app/blobs/uploads/", params=mounting)
    assert answer.status_code == 202  # not mounted: nothing is stored under its sha512


def test_an_abandoned_upload_is_unknown(taken_over: TakenOver, filled: Filled) -> None:
    """Only distribution could continue it; its state is unknown to us."""
    url = f"{taken_over.host.url}/v2/library/app/blobs/uploads/{filled.upload}"
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        answer = httpx.request(method, url)
        assert answer.status_code == 404, answer.text
        assert answer.json()["errors"][0]["code"].startswith("BLOB_UPLOAD_")


def test_entries_of_the_fallback_tag_are_among_the_referrers(
    taken_over: TakenOver, filled: Filled, images: Images
) -> None:
    answer = taken_over.get(f"signed/app/referrers/{images.old.digest}")
    listed = [entry["digest"] for entry in answer.json()["manifests"]]
    assert listed == [str(filled.signature)]
