"""All problems of a retention document are reported with their lines, before any of it is used."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.globs import RepositoryGlobs, TagNameGlobs
from registry_core.maintenance.retention import RetentionPolicy
from registry_core.maintenance.retention.rules import (
    EVERY_TAG,
    Criterion,
    ExpireRule,
    KeepRule,
    Scope,
)
from registry_core.toml_tables import DocumentInvalid

WHOLE = """\
# the team's
[[keep]]
on = ["team/**", "base"]
tags = ["v*", "latest"]
newest = 10

[[keep]]
on = ["**"]
pulled = "90d"

[[keep]]
on = ["base"]
untagged = true
always = true

[[expire]]
on = ["ci/**"]
tags = ["pr-*"]
after = "1w12h"

[[expire]]
on = ["**"]
untagged = true
after = "0"
"""
KEEP = '[[keep]]\non = ["a/**"]\nnewest = 1\n'
EXPIRE = '[[expire]]\non = ["a/**"]\ntags = ["pr-*"]\nafter = "14d"\n'


def problems(text: str) -> list[str]:
    with pytest.raises(DocumentInvalid) as error:
        RetentionPolicy.parse(text, "retention.toml")
    return error.value.problems


def on(*globs: str) -> RepositoryGlobs:
    return RepositoryGlobs(globs)


def test_a_document_is_parsed() -> None:
    policy = RetentionPolicy.parse(WHOLE)
    assert policy.keeps == (
        KeepRule(
            Scope(on("team/**", "base"), TagNameGlobs(("v*", "latest"))), Criterion.NEWEST, 10
        ),
        KeepRule(Scope(on("**"), EVERY_TAG), Criterion.PULLED, 90 * 86400),
        KeepRule(Scope(on("base"), None), Criterion.ALWAYS),
    )
    assert policy.expires == (
        ExpireRule(Scope(on("ci/**"), TagNameGlobs(("pr-*",))), timedelta(days=7.5)),
        ExpireRule(Scope(on("**"), None), timedelta()),
    )
    assert [rule.line for rule in (*policy.keeps, *policy.expires)] == [2, 7, 11, 16, 21]
    assert [rule.text for rule in (*policy.keeps, *policy.expires)] == [
        "[[keep]] at line 2: newest 10",
        "[[keep]] at line 7: pulled 90d",
        "[[keep]] at line 11: always",
        "[[expire]] at line 16: after 1w12h",
        "[[expire]] at line 21: after 0",
    ]
    assert policy.warnings == ()
    assert RetentionPolicy.parse("\ufeff" + WHOLE.replace("\n", "\r\n")) == policy


def test_all_problems_are_reported_at_once_in_order() -> None:
    text = """\
[[keep]]
on = ["Team/**", "a b"]
tag = ["v*"]
newest = 0
[[keep]]
on = []
tags = ["-x", "v:1",
        "v:1"]
newest = 1
pushed = 30
[[expire]]
tags = ["v*"]
after = "two weeks"
[[expires]]
"""
    assert problems(text) == [
        "retention.toml:2: 'Team/**' is not a glob of repositories, such as team-a/** or public/*",
        "retention.toml:2: 'a b' is not a glob of repositories, such as team-a/** or public/*",
        'retention.toml:3: unknown key "tag" in keep; did you mean "tags"?',
        "retention.toml:4: newest must be a whole number of at least 1",
        "retention.toml:6: on is empty, so nothing can match",
        'retention.toml:7: "-x" matches no valid tag',
        "retention.toml:7: 'v:1' is not a glob of tags, such as v* or pr-?",
        'retention.toml:8: tags contains "v:1" twice',
        "retention.toml:10: the keep has newest and pushed; write a [[keep]] for each",
        'retention.toml:11: the expire lacks on, such as on = ["team/**"]',
        "retention.toml:13: after: 'two weeks' is not a duration, such as 12h, 14d or 2w",
        'retention.toml:14: unknown key "expires" in the document; did you mean "expire"?',
    ]


@pytest.mark.parametrize(
    "text, line, says",
    [
        ("", 1, "there is no [[keep]] and no [[expire]]"),
        ("keep = [", 1, "not valid TOML"),
        ("keep = 1", 1, "keep must be written as [[keep]]"),
        (f"{KEEP}\n[expire]\n", 5, "expire must be written as [[expire]]"),
        ("[[keep]]\n", 1, "lacks on"),
        ("[[keep]]\n", 1, 'lacks a criterion: newest = 10, pushed = "30d"'),
        (f"{KEEP}always = true\n", 4, "newest and always; write a [[keep]] for each"),
        (f"{KEEP}after = '3d'\n", 4, 'unknown key "after" in keep'),
        (f"{EXPIRE}newest = 1\n", 5, 'unknown key "newest" in expire'),
        (KEEP.replace("1", "0"), 3, "newest must be a whole number of at least 1"),
        (KEEP.replace("1", "-1"), 3, "newest must be a whole number"),
        (KEEP.replace("1", "1.5"), 3, "newest must be a whole number"),
        (KEEP.replace("1", '"1"'), 3, "newest must be a whole number"),
        (KEEP.replace("1", "true"), 3, "newest must be a whole number"),
        (KEEP.replace("newest = 1", "always = false"), 3, "always can only be true"),
        (KEEP.replace("newest = 1", "always = 1"), 3, "always can only be true"),
        (KEEP.replace("newest = 1", 'pushed = "0"'), 3, "pushed is zero"),
        (KEEP.replace("newest = 1", 'pulled = "0d"'), 3, "pulled is zero"),
        (KEEP.replace("newest = 1", 'pulled = "401d"'), 3, "pulled must be at most 400d: earlier"),
        (
            '[[expire]]\non = ["a"]\nuntagged = true\nafter = "401d"\n',
            4,
            "after must be at most 400d: earlier pulls are not known",
        ),
        (KEEP.replace("newest = 1", "pushed = 30"), 3, 'in quotes, such as pushed = "14d"'),
        (KEEP.replace("newest = 1", 'pulled = "30 d"'), 3, "is not a duration"),
        (KEEP.replace("newest = 1", 'pulled = "-1d"'), 3, "is not a duration"),
        (KEEP.replace("newest = 1", 'pulled = "5300w"'), 3, "more than a hundred years"),
        (EXPIRE.replace('after = "14d"', ""), 1, 'the expire lacks after, such as after = "14d"'),
        (EXPIRE.replace('"14d"', "14"), 4, "after must be a duration in quotes"),
        (EXPIRE.replace('"14d"', '"14x"'), 4, "is not a duration"),
        (EXPIRE.replace('tags = ["pr-*"]', ""), 1, 'lacks tags, such as tags = ["pr-*"], or unt'),
        (EXPIRE.replace('["pr-*"]', "[]"), 3, "tags is empty"),
        (EXPIRE.replace('["pr-*"]', '"pr-*"'), 3, "tags must be a list"),
        (EXPIRE.replace('["pr-*"]', '["pr-*",\n" "]'), 4, "strings that are not blank"),
        (EXPIRE.replace("pr-*", "a/b"), 3, "is not a glob of tags"),
        (EXPIRE.replace("pr-*", ".*"), 3, "matches no valid tag"),
        (EXPIRE.replace("a/**", "a//b"), 2, "matches no valid repository name"),
        (f"{EXPIRE}untagged = true\n", 5, "for tags or for untagged = true; write two rules"),
        (EXPIRE.replace('tags = ["pr-*"]', "untagged = false"), 3, "untagged can only be true"),
        (f"{KEEP}[retention]\n", 4, 'unknown key "retention" in the document'),
    ],
)
def test_each_mistake_is_reported_with_its_line(text: str, line: int, says: str) -> None:
    [problem] = [each for each in problems(text) if says in each]
    assert problem.startswith(f"retention.toml:{line}: ")


def rule(kind: str, globs: str, rest: str) -> str:
    names = ", ".join(f'"{glob}"' for glob in globs.split())
    return f"[[{kind}]]\non = [{names}]\n{rest}\n"


@pytest.mark.parametrize(
    "first, second",
    [
        (("keep", "a b", "newest = 1"), ("keep", "b a", "newest = 1")),
        (("keep", "a", 'tags = ["*"]\nalways = true'), ("keep", "a", "always = true")),
        (("keep", "a", 'pushed = "7d"'), ("keep", "a", 'pushed = "1w"')),
        (
            ("expire", "a", 'untagged = true\nafter = "24h"'),
            ("expire", "a", 'untagged = true\nafter = "1d"'),
        ),
    ],
)
def test_a_rule_that_repeats_another_is_refused(
    first: tuple[str, str, str], second: tuple[str, str, str]
) -> None:
    text = rule(*first)
    line = text.count("\n") + 1
    assert problems(text + rule(*second)) == [
        f"retention.toml:{line}: the rule repeats that at line 1: remove one of the two"
    ]


@pytest.mark.parametrize(
    "keeps, globs, tags",
    [
        ([("**", "")], "a b/**", 'tags = ["x"]'),
        ([("a/**", 'tags = ["v*"]\n')], "a/b", 'tags = ["v1", "v2-*"]'),
        ([("a", ""), ("b*", "")], "a b?", 'tags = ["x"]'),
        ([("a", 'tags = ["v*"]\n'), ("a", 'tags = ["w*"]\n')], "a", 'tags = ["v?", "w"]'),
        ([("**", "untagged = true\n")], "a", "untagged = true"),
    ],
)
def test_an_expire_rule_of_which_everything_is_always_kept_is_refused(
    keeps: list[tuple[str, str]], globs: str, tags: str
) -> None:
    text = "".join(rule("keep", names, f"{each}always = true") for names, each in keeps)
    expire = rule("expire", globs, f'{tags}\nafter = "1d"')
    [problem] = problems(text + expire)
    assert "the rule can never let anything go: always = true at line 1" in problem
    assert problem.startswith(f"retention.toml:{text.count(chr(10)) + 1}: ")


@pytest.mark.parametrize(
    "keep",
    [
        rule("keep", "a", 'tags = ["v1"]\nalways = true'),
        rule("keep", "a/b", "always = true"),
        rule("keep", "a", "untagged = true\nalways = true"),
        rule("keep", "**", "newest = 1000"),
        rule("keep", "**", 'pushed = "5000w"'),
    ],
)
def test_an_expire_rule_that_can_have_an_effect_is_not_refused(keep: str) -> None:
    text = keep + rule("expire", "a", 'tags = ["v*"]\nafter = "1d"')
    assert RetentionPolicy.parse(text).warnings == ()


@pytest.mark.parametrize(
    "wide, narrow",
    [
        (("keep", "**", "always = true"), ("keep", "a", "newest = 3")),
        (("keep", "a/**", 'pushed = "9d"'), ("keep", "a/b", 'tags = ["v*"]\npushed = "8d"')),
        (("keep", "**", 'pulled = "9d"'), ("keep", "a", 'pushed = "9d"')),
        (("keep", "**", "newest = 3"), ("keep", "a", "newest = 2")),
        (
            ("expire", "a", 'tags = ["*"]\nafter = "1d"'),
            ("expire", "a", 'tags = ["v*"]\nafter = "2d"'),
        ),
        (
            ("expire", "**", 'untagged = true\nafter = "1d"'),
            ("expire", "a", 'untagged = true\nafter = "1d"'),
        ),
        (
            ("keep", "a", 'tags = ["*"]\npushed = "9d"'),
            ("keep", "a", 'tags = ["?*"]\npushed = "9d"'),
        ),
    ],
)
def test_a_redundant_rule_is_a_warning(
    wide: tuple[str, str, str], narrow: tuple[str, str, str]
) -> None:
    first = rule(*wide)
    line = first.count("\n") + 1
    assert RetentionPolicy.parse(first + rule(*narrow), "retention.toml").warnings == (
        f"retention.toml:{line}: the rule is redundant: that at line 1 does the same already",
    )


@pytest.mark.parametrize(
    "one, other",
    [
        (("keep", "**", 'tags = ["*"]\nnewest = 3'), ("keep", "a", 'tags = ["v*"]\nnewest = 2')),
        (("keep", "**", 'pushed = "9d"'), ("keep", "a", 'pulled = "9d"')),
        (("keep", "**", 'pushed = "9d"'), ("keep", "a", 'pushed = "10d"')),
        (("keep", "**", "untagged = true\nnewest = 3"), ("keep", "a", "newest = 2")),
        (("keep", "**", 'pushed = "5000w"'), ("keep", "a", "newest = 2")),
        (
            ("expire", "**", 'tags = ["*"]\nafter = "2d"'),
            ("expire", "a", 'tags = ["v*"]\nafter = "1d"'),
        ),
    ],
)
def test_overlapping_rules_are_not_redundant(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    assert RetentionPolicy.parse(rule(*one) + rule(*other)).warnings == ()


@pytest.mark.parametrize(
    "keep, globs, tags",
    [(("a", ""), "a b", 'tags = ["x"]'), (("**", 'tags = ["x"]\n'), "a", 'tags = ["x", "y"]')],
)
def test_an_expire_rule_of_which_something_may_go_is_not_refused(
    keep: tuple[str, str], globs: str, tags: str
) -> None:
    text = rule("keep", keep[0], f"{keep[1]}always = true")
    policy = RetentionPolicy.parse(text + rule("expire", globs, f'{tags}\nafter = "1d"'))
    assert len(policy.expires) == 1


def test_many_rules_are_compared_in_little_time() -> None:
    """The registry does it at the start."""
    text = "".join(
        rule("keep", f"team-{number}/** base-{number}", f'tags = ["v*", "r{number}-*"]\nnewest = 5')
        + rule("expire", f"team-{number}/**", f'tags = ["pr-*"]\nafter = "{number + 1}d"')
        for number in range(200)
    )
    began = time.process_time()
    assert RetentionPolicy.parse(text).warnings == ()
    assert time.process_time() - began < 3


@given(st.text() | st.lists(st.sampled_from([*WHOLE.splitlines(), *'[]{}="\n.,a1'])).map("\n".join))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        RetentionPolicy.parse(text)
    except DocumentInvalid as error:
        assert all(problem.startswith("rules:") for problem in error.problems)  # noqa: PT017


@given(st.data())
def test_any_change_to_a_document_is_parsed_or_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(WHOLE)))
    until = data.draw(st.integers(at, min(at + 20, len(WHOLE))))
    text = WHOLE[:at] + data.draw(st.text("[]{}=\"'\\\n.,#a*1", max_size=6)) + WHOLE[until:]
    try:
        RetentionPolicy.parse(text)
    except DocumentInvalid as error:
        assert error.problems  # noqa: PT017


@pytest.mark.parametrize("number", [140, 1000])
def test_many_globs_do_not_delay_the_start(number: int) -> None:
    """Up to 300 are compared with each other."""
    expired, kept = ([f'"*{letter}*{n}*x*"' for n in range(number)] for letter in "ab")
    rules = f"""\
[[expire]]
on = ["**"]
tags = [{", ".join(expired)}]
after = "1d"
[[keep]]
on = ["**"]
tags = [{", ".join(kept)}]
always = true
"""
    began = time.process_time()
    assert RetentionPolicy.parse(rules).warnings == ()
    assert time.process_time() - began < 1
