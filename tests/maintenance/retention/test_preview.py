"""A preview notes what the policy decides, and changes none of its decisions."""

from __future__ import annotations

from datetime import timedelta

from registry_core.maintenance.retention import (
    Expiry,
    RetentionPolicy,
    TagState,
    UntaggedState,
)
from registry_core.maintenance.retention.preview import (
    Decisions,
    NotingPolicy,
    RepositoryPreview,
)
from registry_core.spec.digest import Digest

DAY = 86400.0
NOW = 1000 * DAY
POLICY = RetentionPolicy.parse("""\
[[keep]]
on = ["ci/**"]
tags = ["v*"]
newest = 1
[[expire]]
on = ["ci/**"]
tags = ["*"]
after = "14d"
""").with_untagged(timedelta(days=7))
FIRST, SECOND = Digest.of(b"first"), Digest.of(b"second")
TAGS = [
    TagState("v1", FIRST, NOW - 90 * DAY),
    TagState("v2", FIRST, NOW - 80 * DAY),
    TagState("b", FIRST, NOW - 70 * DAY),
    TagState("a", FIRST, NOW - 60 * DAY),
    TagState("new", FIRST, NOW),
]
UNTAGGED = [UntaggedState(FIRST, NOW - 8 * DAY), UntaggedState(SECOND, NOW)]


def test_a_preview_has_what_goes_and_what_is_kept_with_the_rules() -> None:
    policy = NotingPolicy.of(POLICY)
    policy.expired_tags("ci/app", TAGS, NOW)
    policy.expired_untagged("ci/app", UNTAGGED, NOW)
    rule = "[[expire]] at line 5: after 14d"
    assert policy.noted == {
        "ci/app": RepositoryPreview(
            Decisions(
                5,
                [Expiry(tag, rule) for tag in ("a", "b", "v1")],
                [Expiry("v2", "[[keep]] at line 1: newest 1")],
            ),
            Decisions(2, [Expiry(str(FIRST), "REGISTRY_GC_UNTAGGED: after 1w")], []),
        )
    }
    assert policy.noted["ci/app"].expires == 4


def test_the_decisions_are_those_of_the_policy() -> None:
    policy = NotingPolicy.of(POLICY)
    assert policy.expired_tags("ci/app", TAGS, NOW) == POLICY.expired_tags("ci/app", TAGS, NOW)
    found = POLICY.expired_untagged("ci/app", UNTAGGED, NOW)
    assert policy.expired_untagged("ci/app", UNTAGGED, NOW) == found
    assert policy.uses_pulls() == POLICY.uses_pulls()


def test_a_policy_with_another_rule_notes_in_the_same_place() -> None:
    """The collection of garbage adds the rule of a setting."""
    policy = NotingPolicy.of(POLICY)
    policy.with_untagged(timedelta(days=1)).expired_tags("ci/app", TAGS, NOW)
    assert policy.noted["ci/app"].tags.number == 5
