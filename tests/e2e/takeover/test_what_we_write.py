"""What is pushed on top of what distribution wrote, and deleted from it."""

from __future__ import annotations

from tests.e2e.clients import ImageClient
from tests.e2e.takeover.conftest import ChangedRegistry
from tests.e2e.takeover.contents import AMD64, Filled, Images, head, pull_all, tags_of


def test_each_reference_names_what_was_pushed_last(
    changed: ChangedRegistry, images: Images
) -> None:
    """A tag that was moved, one that was pushed again, and what was there beside them."""
    pulled = changed.changes.pulled
    for reference, image in (
        ("changed/app:moved", images.new),
        ("changed/app:again", images.old),
        ("changed/app:first", images.new),
        ("changed/deleted:back", images.new),
    ):
        assert pulled[reference, AMD64].digest == image.digest
        assert pulled[reference, AMD64].identity == image.identity


def test_what_was_not_touched_is_as_it_was(
    changed: ChangedRegistry, filled: Filled, skopeo: ImageClient
) -> None:
    assert pull_all(skopeo, changed.authority, filled.pulled) == filled.pulled


def test_tags_are_listed_as_they_are_now(changed: ChangedRegistry) -> None:
    tags = changed.changes.tags
    assert {name: tags_of(changed.authority, name) for name in tags} == tags


def test_what_was_deleted_is_gone(changed: ChangedRegistry) -> None:
    for repository, reference in changed.changes.gone:
        assert head(changed.authority, repository, reference).status_code == 404


def test_both_signatures_are_listed(
    changed: ChangedRegistry, filled: Filled, images: Images
) -> None:
    """The one that was listed under the fallback tag, and ours."""
    answer = changed.registry.get(f"changed/signed/referrers/{images.old.digest}")
    listed = {entry["digest"] for entry in answer.json()["manifests"]}
    assert listed == {str(filled.signature), str(changed.changes.signature)}
