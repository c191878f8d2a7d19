"""Pushes and deletions in a container that distribution filled."""

from __future__ import annotations

from tests.e2e.clients import ImageClient
from tests.e2e.takeover.conftest import ChangedRegistry
from tests.e2e.takeover.contents import AMD64, Filled, Images, head, pull_all, tags_of


def test_each_reference_points_to_the_last_push(changed: ChangedRegistry, images: Images) -> None:
    """A moved tag, a tag that was pushed again, and an unchanged one."""
    pulled = changed.changes.pulled
    for reference, image in (
        ("changed/app:moved", images.new),
        ("changed/app:again", images.old),
        ("changed/app:first", images.new),
        ("changed/deleted:back", images.new),
    ):
        assert pulled[reference, AMD64].digest == image.digest
        assert pulled[reference, AMD64].identity == image.identity


def test_unchanged_content_is_still_pulled(
    changed: ChangedRegistry, filled: Filled, skopeo: ImageClient
) -> None:
    assert pull_all(skopeo, changed.authority, filled.pulled) == filled.pulled


def test_the_changed_tags_are_listed(changed: ChangedRegistry) -> None:
    tags = changed.changes.tags
    assert {name: tags_of(changed.authority, name) for name in tags} == tags


def test_deleted_content_is_gone(changed: ChangedRegistry) -> None:
    for repository, reference in changed.changes.gone:
        assert head(changed.authority, repository, reference).status_code == 404


def test_both_signatures_are_listed(
    changed: ChangedRegistry, filled: Filled, images: Images
) -> None:
    """The one under the fallback tag, and ours."""
    answer = changed.registry.get(f"changed/signed/referrers/{images.old.digest}")
    listed = {entry["digest"] for entry in answer.json()["manifests"]}
    assert listed == {str(filled.signature), str(changed.changes.signature)}
