"""The text and the JSON document of `moorage retention preview`."""

from __future__ import annotations

from registry_core.cli.retention import Preview, render, to_json
from registry_core.globs import RepositoryGlobs
from registry_core.maintenance.retention import Expiry
from registry_core.maintenance.retention.preview import Decisions, RepositoryPreview

AFTER, NEWEST = "[[expire]] at line 5: after 14d", "[[keep]] at line 1: newest 1"
NOTED = {
    "team/app": RepositoryPreview(
        Decisions(1200, [Expiry("pr-1", AFTER)], [Expiry("v1", NEWEST)]),
        Decisions(3, [Expiry("sha256:0", AFTER)], []),
    ),
    "base": RepositoryPreview(Decisions(2, [], [Expiry("v1", NEWEST)])),
    "quiet": RepositoryPreview(Decisions(2)),
}


def test_the_text_has_what_goes_by_repository_with_its_rule() -> None:
    assert render(Preview(NOTED), kept=False) == [
        "team/app: 1 of 1,200 tags, 1 of 3 untagged manifests",
        "  pr-1      [[expire]] at line 5: after 14d",
        "  sha256:0  [[expire]] at line 5: after 14d",
        "would go: tags 1, untagged manifests 1",
    ]


def test_what_is_kept_is_shown_on_request() -> None:
    assert render(Preview(NOTED), kept=True) == [
        "base: 0 of 2 tags, 0 of 0 untagged manifests",
        "  v1  kept: [[keep]] at line 1: newest 1",
        "team/app: 1 of 1,200 tags, 1 of 3 untagged manifests",
        "  pr-1      [[expire]] at line 5: after 14d",
        "  sha256:0  [[expire]] at line 5: after 14d",
        "  v1        kept: [[keep]] at line 1: newest 1",
        "would go: tags 1, untagged manifests 1",
    ]


def test_what_cannot_be_judged_or_deleted_is_said() -> None:
    found = Preview({}, {"b": "why", "a": "why not"}, 3, "distribution writes here")
    waits = "3 of such tags stay until what they point to is older than REGISTRY_GC_YOUNG"
    assert render(found, kept=False) == [
        "a: cannot be judged: why not",
        "b: cannot be judged: why",
        "would go: tags 0, untagged manifests 0",
        f"in all repositories, {waits}",
        "no manifest is deleted at present: distribution writes here",
    ]


def test_the_document_has_the_same() -> None:
    shown = {"team/app": NOTED["team/app"]}
    tags = {"number": 1200, "expired": [{"subject": "pr-1", "rule": AFTER}]}
    untagged = {"number": 3, "expired": [{"subject": "sha256:0", "rule": AFTER}]}
    assert to_json(Preview(shown, {"b": "why"}), kept=False) == {
        "version": 1,
        "waiting": 0,
        "manifests_kept": None,
        "unjudged": {"b": "why"},
        "repositories": {"team/app": {"tags": tags, "untagged": untagged}},
    }
    kept = {"kept": [{"subject": "v1", "rule": NEWEST}]}
    assert to_json(Preview(shown, {}, 2, "shared"), kept=True) == {
        "version": 1,
        "waiting": 2,
        "manifests_kept": "shared",
        "unjudged": {},
        "repositories": {"team/app": {"tags": tags | kept, "untagged": untagged | {"kept": []}}},
    }


def test_a_preview_of_some_repositories_has_only_these() -> None:
    found = Preview(NOTED, {"team/lost": "why", "lost": "why"}, 1, "shared")
    some = found.matching(RepositoryGlobs(("team/**",)))
    assert (list(some.repositories), list(some.unjudged)) == (["team/app"], ["team/lost"])
    assert (some.waiting, some.unswept) == (1, "shared")
