"""What a retention policy lets go, and what it keeps."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.maintenance.retention import (
    NO_POLICY,
    RetentionPolicy,
    TagState,
    UntaggedState,
)
from registry_core.spec.digest import Digest

DAY = 86400.0
NOW = 1000 * DAY
EXPIRE = '[[expire]]\non = ["ci/**"]\ntags = ["*"]\nafter = "14d"\n'
EXPIRE_UNTAGGED = EXPIRE.replace('tags = ["*"]', "untagged = true")
KEEP = '[[keep]]\non = ["ci/**"]\n'


def tag(name: str, age: float, pulled: float | None = None, asks: str | None = None) -> TagState:
    """Return a tag that was set, and pulled, that many days ago. ``asks``: an expiry, in days."""
    expires_after = None if asks is None else timedelta(days=float(asks))
    last_pull = None if pulled is None else NOW - pulled * DAY
    return TagState(name, digest(name), NOW - age * DAY, last_pull, expires_after)


def untagged(name: str, age: float, pulled: float | None = None) -> UntaggedState:
    state = tag(name, age, pulled)
    return UntaggedState(state.digest, state.pushed, state.pulled)


def digest(name: str) -> Digest:
    return Digest.of(name.encode())


def expired(rules: str, *tags: TagState, repository: str = "ci/app") -> list[str]:
    policy = RetentionPolicy.parse(rules) if rules else NO_POLICY
    return sorted(policy.expired_tags(repository, tags, NOW))


def test_what_no_rule_matches_is_kept() -> None:
    assert expired(EXPIRE, tag("v1", 900), repository="team/app") == []
    assert expired(EXPIRE.replace('"*"', '"pr-*"'), tag("v1", 900), tag("pr-1", 900)) == ["pr-1"]


def test_a_tag_goes_once_its_time_has_passed_since_it_was_set() -> None:
    tags = [tag("a", 13.99), tag("b", 14), tag("c", 15, pulled=1), tag("future", -1)]
    assert expired(EXPIRE, *tags) == ["b", "c"]


def test_what_goes_is_named_with_the_rule_and_its_line() -> None:
    policy = RetentionPolicy.parse("\n\n" + EXPIRE)
    [(name, expiry)] = policy.expired_tags("ci/app", [tag("a", 20)], NOW).items()
    assert (name, expiry.subject, expiry.rule) == ("a", "a", "[[expire]] at line 3: after 14d")


def test_the_first_rule_in_the_document_is_named() -> None:
    rules = EXPIRE.replace("14d", "30d") + EXPIRE.replace('"*"', '"a*"')
    found = RetentionPolicy.parse(rules).expired_tags("ci/app", [tag("a", 40)], NOW)
    assert found["a"].rule == "[[expire]] at line 1: after 30d"


@pytest.mark.parametrize(
    "criterion, kept",
    [
        ("newest = 2", ["d20", "d30"]),
        ('pushed = "30d"', ["d20", "d30"]),
        ('pulled = "30d"', ["d20", "d30", "d40-pulled-25"]),
        ("always = true", ["d20", "d30", "d40-pulled-25", "d90-pulled-80"]),
        ('tags = ["d90*"]\nalways = true', ["d90-pulled-80"]),
        ('tags = ["d4*", "d9*"]\nnewest = 1', ["d40-pulled-25"]),
        ("untagged = true\nalways = true", []),
    ],
)
def test_keep_rules_have_precedence(criterion: str, kept: Sequence[str]) -> None:
    tags = [
        tag("d20", 20),
        tag("d30", 30),
        tag("d40-pulled-25", 40, pulled=25),
        tag("d90-pulled-80", 90, pulled=80),
    ]
    # Two documents: in one, a rule that another leaves without any effect is refused.
    keeps = RetentionPolicy.parse(KEEP + criterion).keeps
    policy = RetentionPolicy(keeps, RetentionPolicy.parse(EXPIRE).expires)
    gone = policy.expired_tags("ci/app", tags, NOW)
    assert sorted({each.name for each in tags} - gone.keys()) == kept


def test_a_tag_that_was_set_after_its_last_pull_counts_as_used_since_then() -> None:
    """The pull was of what the tag pointed to before."""
    keep = KEEP + 'pulled = "20d"\n'
    assert expired(keep + EXPIRE, tag("a", 18, pulled=300), tag("b", 300, pulled=300)) == ["b"]


def test_the_newest_are_counted_for_each_repository_and_rule() -> None:
    policy = RetentionPolicy.parse(
        KEEP + 'tags = ["v*"]\nnewest = 1\n' + KEEP + 'tags = ["*-rc"]\nnewest = 1\n' + EXPIRE
    )
    tags = [tag("v1", 30), tag("v2", 20), tag("1-rc", 50), tag("2-rc", 40)]
    for repository in ("ci/app", "ci/base"):
        assert sorted(policy.expired_tags(repository, tags, NOW)) == ["1-rc", "v1"]


def test_of_tags_that_were_set_at_the_same_time_the_last_names_are_the_newest() -> None:
    tags = [tag("c", 20), tag("a", 20), tag("d", 20), tag("b", 20)]
    assert expired(KEEP + "newest = 2\n" + EXPIRE, *tags) == ["a", "b"]


def test_the_newest_of_what_is_young_leave_none_for_the_old() -> None:
    """They are counted among all tags of the rule, not among those that would expire."""
    tags = [tag("young", 1), tag("old", 20)]
    assert expired(KEEP + "newest = 1\n" + EXPIRE, *tags) == ["old"]


def test_only_the_newest_are_kept_where_the_time_is_zero() -> None:
    rules = KEEP + "newest = 2\n" + EXPIRE.replace("14d", "0")
    assert expired(rules, *(tag(f"v{age}", age) for age in range(5))) == ["v2", "v3", "v4"]


def test_an_untagged_manifest_goes_after_its_last_push_or_pull() -> None:
    policy = RetentionPolicy.parse(EXPIRE_UNTAGGED)
    manifests = [untagged("a", 20), untagged("b", 20, pulled=3), untagged("c", 3, pulled=20)]
    found = policy.expired_untagged("ci/app", manifests, NOW)
    assert list(found) == [digest("a")]
    assert found[digest("a")].subject == str(digest("a"))
    assert policy.expired_untagged("other", manifests, NOW) == {}


def test_rules_for_tags_do_not_concern_untagged_manifests_and_vice_versa() -> None:
    manifests, tags = [untagged("a", 900)], [tag("a", 900)]
    for rules in (EXPIRE, KEEP + "newest = 9\n" + EXPIRE):
        assert RetentionPolicy.parse(rules).expired_untagged("ci/app", manifests, NOW) == {}
    policy = RetentionPolicy.parse(KEEP + "newest = 9\n" + EXPIRE_UNTAGGED)
    assert policy.expired_tags("ci/app", tags, NOW) == {}
    assert list(policy.expired_untagged("ci/app", manifests, NOW)) == [digest("a")]


def test_a_keep_rule_may_be_for_untagged_manifests() -> None:
    policy = RetentionPolicy.parse(KEEP + "untagged = true\nnewest = 1\n" + EXPIRE_UNTAGGED)
    manifests = [untagged("a", 30), untagged("b", 20)]
    assert list(policy.expired_untagged("ci/app", manifests, NOW)) == [digest("a")]
    kept = policy.kept_untagged("ci/app", manifests, NOW)
    assert kept == {digest("b"): "[[keep]] at line 1: newest 1"}


def test_the_setting_for_untagged_manifests_is_a_rule_for_every_repository() -> None:
    assert NO_POLICY.with_untagged(None) is NO_POLICY
    policy = RetentionPolicy.parse(KEEP + "untagged = true\nalways = true\n")
    policy = policy.with_untagged(timedelta(days=7))
    manifests = [untagged("a", 8), untagged("b", 6)]
    found = policy.expired_untagged("a/b", manifests, NOW)
    assert [each.rule for each in found.values()] == ["REGISTRY_GC_UNTAGGED: after 1w"]
    assert list(found) == [digest("a")]
    assert policy.expired_untagged("ci/app", manifests, NOW) == {}
    assert policy.expired_tags("a/b", [tag("a", 900)], NOW) == {}


def test_an_image_that_asks_for_it_expires_without_a_rule() -> None:
    tags = [tag("a", 3, asks="2"), tag("b", 1, asks="2"), tag("c", 900)]
    assert expired("", *tags) == ["a"]
    [expiry] = NO_POLICY.expired_tags("a", tags, NOW).values()
    assert expiry.rule == "the image expires after 2d"


def test_keep_rules_have_precedence_over_the_expiry_that_an_image_asks_for() -> None:
    tags = [tag("a", 3, asks="2"), tag("b", 30, asks="2")]
    assert expired(KEEP + 'pushed = "14d"\n', *tags) == ["b"]
    assert expired(KEEP + "always = true\n", *tags) == []


def test_an_image_that_asks_for_more_time_than_a_rule_allows_goes() -> None:
    assert expired(EXPIRE, tag("a", 20, asks="30")) == ["a"]


def test_what_is_kept_is_named_with_the_first_rule() -> None:
    policy = RetentionPolicy.parse(KEEP + "newest = 1\n" + KEEP + 'pulled = "90d"\n')
    tags = [tag("a", 20), tag("b", 10), tag("c", 900)]
    assert policy.kept_tags("ci/app", tags, NOW) == {
        "b": "[[keep]] at line 1: newest 1",
        "a": "[[keep]] at line 4: pulled 90d",
    }


def test_a_policy_uses_pulls_if_a_rule_may_depend_on_one() -> None:
    assert RetentionPolicy.parse(KEEP + 'pulled = "9d"\n').uses_pulls()
    assert RetentionPolicy.parse(EXPIRE_UNTAGGED).uses_pulls()
    assert not RetentionPolicy.parse(EXPIRE_UNTAGGED).keeps_pulled()
    assert NO_POLICY.with_untagged(timedelta(1)).uses_pulls()
    assert not NO_POLICY.uses_pulls()
    keeps = (
        KEEP + 'pushed = "9d"\n' + KEEP + "newest = 1\n" + KEEP + 'tags = ["x"]\nalways = true\n'
    )
    assert not RetentionPolicy.parse(keeps + EXPIRE).uses_pulls()


AGES = st.floats(0, 60).map(lambda days: round(days, 1))
TAGS = st.lists(
    st.builds(tag, st.text("ab1-", min_size=1, max_size=4), AGES, st.none() | AGES),
    unique_by=lambda each: each.name,
)


@given(TAGS, st.integers(1, 5), AGES, AGES)
def test_what_goes_is_what_a_naive_reading_of_the_rules_lets_go(
    tags: list[TagState], newest: int, pulled: float, after: float
) -> None:
    hours = {name: f"{int(days * 24) + 1}h" for name, days in (("p", pulled), ("a", after))}
    rules = (
        KEEP
        + f'tags = ["a*"]\nnewest = {newest}\n'
        + KEEP
        + f'tags = ["b*"]\npulled = "{hours["p"]}"\n'
        + EXPIRE.replace("14d", hours["a"])
    )
    limits = {name: float(text[:-1]) * 3600 for name, text in hours.items()}

    def is_kept(each: TagState) -> bool:
        rivals = [other for other in tags if other.name.startswith("a")]
        newer = [o for o in rivals if (o.pushed, o.name) > (each.pushed, each.name)]
        if each.name.startswith("a") and len(newer) < newest:
            return True
        used = max(each.pushed, each.pulled or 0)
        return each.name.startswith("b") and NOW - used <= limits["p"]

    gone = {each.name for each in tags if NOW - each.pushed >= limits["a"] and not is_kept(each)}
    assert set(expired(rules, *tags)) == gone


def test_a_repository_of_many_tags_takes_little_time() -> None:
    """CPU seconds; 10 rules and 20,000 tags in no order."""
    rules = "".join(
        f'[[keep]]\non = ["ci/**"]\ntags = ["k{number}-*"]\nnewest = 100\n'
        f'[[expire]]\non = ["ci/**"]\ntags = ["k*-{number}-*"]\nafter = "{number + 1}d"\n'
        for number in range(5)
    )
    tags = [tag(f"k{number % 60}-{number % 49}-{number}", number % 97) for number in range(20_000)]
    random.Random(1).shuffle(tags)
    policy = RetentionPolicy.parse(rules)
    began = time.process_time()
    assert policy.expired_tags("ci/app", tags, NOW)
    policy.kept_tags("ci/app", tags, NOW)
    assert time.process_time() - began < 5
