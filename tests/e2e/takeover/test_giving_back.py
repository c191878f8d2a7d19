"""What we wrote is distribution's again: it serves all of it, and takes none of it for garbage."""

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

# Each form of names, and each kind of blobs; both at once are files like any others.
pytestmark = pytest.mark.parametrize("taken_over", ["v3-blocks", "v2-appends"], indirect=True)


@pytest.fixture
def expected(given_back: GivenBack, filled: Filled) -> dict[Named, Pulled]:
    """What every reference names, be it from before or after the takeover."""
    return {**filled.pulled, **given_back.changes.pulled}


@pytest.fixture
def garbage(given_back: GivenBack, tmp_path: Path) -> Distribution:
    """The same registry, to collect garbage in."""
    return Distribution(shutil.copytree(given_back.folder, tmp_path / "distribution"))


def test_distribution_serves_what_we_wrote(
    given_back: GivenBack, filled: Filled, expected: dict[Named, Pulled], skopeo: ImageClient
) -> None:
    """Images, tags and deletions, ours and its own."""
    tags = {**filled.tags, **given_back.changes.tags}
    with Distribution(given_back.folder) as authority:
        assert pull_all(skopeo, authority, expected) == expected
        assert {name: tags_of(authority, name) for name in tags} == tags
        for repository, reference in given_back.changes.gone:
            assert head(authority, repository, reference).status_code == 404


def test_what_we_keep_beside_its_files_is_no_repository_to_it(
    given_back: GivenBack, filled: Filled
) -> None:
    with Distribution(given_back.folder) as authority:
        answer = httpx.get(f"http://{authority}/v2/_catalog?n=1000")
    repositories = answer.json()["repositories"]
    assert repositories == sorted({*filled.repositories, *given_back.changes.repositories})


def test_distribution_serves_what_we_know_by_its_sha512(given_back: GivenBack) -> None:
    """It cannot be asked to store it so, but finds it where we did."""
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
    """Only the blobs that no manifest names, which it would have removed before."""
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
    """All but those which only an index names: version 2.8 deletes these, its own ones too."""
    garbage.collect_garbage(untagged=True)
    kept = {
        (reference, platform): pulled
        for (reference, platform), pulled in expected.items()
        if "@" not in reference and "platforms" not in reference
    }
    with garbage as authority:
        assert pull_all(skopeo, authority, kept) == kept


def _eligible(report: str) -> set[str]:
    """The digests that a garbage collection says it removes, or would remove."""
    return set(re.findall(r"eligible for deletion: (\S+)", report))
