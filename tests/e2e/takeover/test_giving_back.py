"""Distribution takes the container back: it serves everything and collects no live content."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import httpx
import pytest

from registry_core.spec.digest import SHA512, Digest
from tests.e2e.clients import ImageClient, Pulled
from tests.e2e.takeover.changes import OUR_LAYER
from tests.e2e.takeover.conftest import GivenBack
from tests.e2e.takeover.contents import ALONE, BY_SHA512, Filled, Named, head, pull_all, tags_of
from tests.e2e.takeover.distribution import Distribution

# Both forms of names and both kinds of blobs; their other combinations give the same files.
pytestmark = pytest.mark.parametrize("taken_over", ["v3-blocks", "v2-appends"], indirect=True)


@pytest.fixture
def expected(given_back: GivenBack, filled: Filled) -> dict[Named, Pulled]:
    """Return the expected images of all references, from before and after the takeover."""
    return {**filled.pulled, **given_back.changes.pulled}


@pytest.fixture
def garbage(given_back: GivenBack, tmp_path: Path) -> Distribution:
    """Return a copy of the registry, for garbage collection."""
    return Distribution(shutil.copytree(given_back.folder, tmp_path / "distribution"))


def test_distribution_serves_what_we_wrote(
    given_back: GivenBack, filled: Filled, expected: dict[Named, Pulled], skopeo: ImageClient
) -> None:
    """Images, tags and deletions from before and after the takeover."""
    tags = {**filled.tags, **given_back.changes.tags}
    with Distribution(given_back.folder) as authority:
        assert pull_all(skopeo, authority, expected) == expected
        assert {name: tags_of(authority, name) for name in tags} == tags
        for repository, reference in given_back.changes.gone:
            assert head(authority, repository, reference).status_code == 404


def test_our_additional_files_are_not_repositories_to_distribution(
    given_back: GivenBack, filled: Filled
) -> None:
    with Distribution(given_back.folder) as authority:
        answer = httpx.get(f"http://{authority}/v2/_catalog?n=1000")
    repositories = answer.json()["repositories"]
    assert repositories == sorted({*filled.repositories, *given_back.changes.repositories})


def test_distribution_serves_content_that_we_stored_by_sha512(given_back: GivenBack) -> None:
    """It cannot store content in this way itself, but it finds what we stored."""
    changes = given_back.changes
    with Distribution(given_back.folder) as authority:
        for reference in ("v1", changes.sha512):
            manifest = head(authority, "changed/sha512", reference)
            assert manifest.headers["Docker-Content-Digest"] == str(changes.sha512)
        layer = Digest.of(OUR_LAYER, SHA512)
        answer = httpx.get(f"http://{authority}/v2/changed/sha512/blobs/{layer}")
    assert answer.content == OUR_LAYER


def test_its_garbage_collector_removes_nothing_that_is_referenced(
    garbage: Distribution,
    given_back: GivenBack,
    filled: Filled,
    expected: dict[Named, Pulled],
    skopeo: ImageClient,
) -> None:
    """Only blobs that no manifest references, as before the takeover."""
    unreferenced = {str(Digest.of(content)) for content in (ALONE, BY_SHA512)}
    assert _eligible(garbage.collect_garbage(dry_run=True)) == unreferenced
    assert _eligible(garbage.collect_garbage()) == unreferenced
    others = [
        ("signed/app", filled.signature),
        ("changed/signed", given_back.changes.signature),
        ("schema/app", filled.schema_1),
        ("changed/sha512", given_back.changes.sha512),
    ]
    with garbage as authority:
        assert pull_all(skopeo, authority, expected) == expected
        for repository, digest in others:
            assert head(authority, repository, digest).status_code == 200


def test_its_garbage_collector_keeps_tagged_images_even_when_it_deletes_untagged_ones(
    garbage: Distribution, expected: dict[Named, Pulled], skopeo: ImageClient
) -> None:
    """Except images that only an index references: version 2.8 deletes these in any case."""
    garbage.collect_garbage(untagged=True)
    kept = {
        (reference, platform): pulled
        for (reference, platform), pulled in expected.items()
        if "@" not in reference and "platforms" not in reference
    }
    with garbage as authority:
        assert pull_all(skopeo, authority, kept) == kept


def _eligible(report: str) -> set[str]:
    """Return the digests that a garbage collection reports for removal."""
    return set(re.findall(r"eligible for deletion: (\S+)", report))
