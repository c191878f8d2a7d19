"""All problems of a rules document are reported with their lines, before any of it is used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_core.auth.identity import Identity
from registry_core.auth.rules import Federation, Rules
from registry_core.spec.scopes import PUSH, REPOSITORY, Resource
from registry_core.toml_tables import DocumentInvalid
from tests.house.tree import PROJECT

WHOLE = """\
# the team's
[groups]
dev = ["alice", "bob"]

[[federation]]
name = "github"
issuer = "https://token.actions.githubusercontent.com"
audience = "registry"
subjects = ["repo:org/*:ref:refs/heads/main"]
claims = {repository_owner = "org"}

[[rule]]
who = ["group:dev", "role:Registry.Push", "federated:github", "key:ci", "entra:0-1"]
may = ["pull", "push"]
on = ["team-a/**"]

[[rule]]
who = ["everyone"]
may = ["list"]
on = ["**"]

[[rule]]
who = ["anonymous"]
may = ["pull"]
on = ["public/**"]

[[rule]]
who = ["user:alice", "group:00000000-0000-0000-0000-000000000001"]
may = ["delete"]
on = ["team-a/**"]
"""
RULE = '[[rule]]\nwho = ["everyone"]\nmay = ["pull"]\non = ["**"]\n'


def problems(text: str) -> list[str]:
    with pytest.raises(DocumentInvalid) as error:
        Rules.parse(text, "rules.toml")
    return error.value.problems


def test_a_document_is_parsed() -> None:
    rules = Rules.parse(WHOLE)
    assert [rule.line for rule in rules.rules] == [12, 17, 22, 27]
    assert rules.groups == {"dev": {"alice", "bob"}}
    assert rules.federations == (
        Federation(
            "github",
            "https://token.actions.githubusercontent.com",
            "registry",
            ("repo:org/*:ref:refs/heads/main",),
            {"repository_owner": "org"},
        ),
    )
    assert Rules.parse("\ufeff" + WHOLE.replace("\n", "\r\n")).rules == rules.rules


def test_all_problems_are_reported_at_once_in_order() -> None:
    text = """\
[[rule]]
who = ["everybody",
       "group:dve"]
may = ["pul"]
on = ["Team/**"]
may_not = ["push"]
[groups]
dev = ["alice"]
[grups]
"""
    assert problems(text) == [
        'rules.toml:2: "everybody" is not a valid entry of who; did you mean "everyone"?',
        'rules.toml:3: group "dve" is not defined in [groups]; did you mean "dev"?',
        'rules.toml:4: unknown action "pul"; did you mean "pull"?',
        "rules.toml:5: 'Team/**' is not a glob of repositories, such as team-a/** or public/*",
        'rules.toml:6: unknown key "may_not" in rule; did you mean "may"?',
        'rules.toml:9: unknown key "grups" in the document; did you mean "groups"?',
    ]


@pytest.mark.parametrize(
    "text, line, says",
    [
        ("", 1, "nobody may do anything"),
        ("rule = [", 1, "not valid TOML"),
        (f"{RULE}who = 1", 5, "not valid TOML: Cannot overwrite a value"),
        (f"{RULE}\nx = ", 6, "not valid TOML"),
        ("\nx = " + "1" * 5000, 1, "not valid TOML"),
        ("x = " + "[" * 5000 + "]" * 5000, 1, "nested too deeply"),
        ("rule = 1", 1, "rule must be written as [[rule]]"),
        ("\n[rule]\n", 2, "rule must be written as [[rule]]"),
        (f"{RULE}[[groups]]\n", 5, "groups must be written as [groups]"),
        ("[[rule]]\n", 1, "lacks who"),
        (RULE.replace('["everyone"]', '"everyone"'), 2, "who must be a list"),
        (RULE.replace('["everyone"]', "[]"), 2, "who is empty"),
        (RULE.replace('["everyone"]', "[\n1]"), 3, "who must be a list of strings"),
        (RULE.replace('["everyone"]', '[" "]'), 2, "who must be a list of strings that are not"),
        (RULE.replace('["everyone"]', '["everyone",\n"everyone"]'), 3, "twice"),
        (RULE.replace("everyone", "user:"), 2, '"user:" names nobody; write user:NAME'),
        (RULE.replace("everyone", "user:*"), 2, "contains a wildcard"),
        (RULE.replace("everyone", "user:a:b"), 2, "user names have no colon"),
        (
            RULE.replace("everyone", "federated:gitlab"),
            2,
            'with the name "gitlab"',
        ),
        (f"{RULE}[groups]\ndev = []", 6, "dev is empty"),
        (f'{RULE}[groups]\ndev = ["user:alice"]', 6, "by name only"),
        (f"{RULE}groups.dev = 1\n", 5, 'unknown key "groups" in rule'),
        (RULE.replace('"**"', '"a//b"'), 4, "matches no valid repository name"),
        (RULE.replace('"**"', '"/a"'), 4, "matches no valid repository name"),
        (RULE.replace('"**"', '"a/"'), 4, "matches no valid repository name"),
        (RULE.replace('"**"', '"*./a"'), 4, "matches no valid repository name"),
        (RULE.replace('"**"', '"a___?"'), 4, "matches no valid repository name"),
        (RULE.replace('"**"', f'"{"a" * 256}"'), 4, "matches no valid repository name"),
        (RULE.replace('"**"', '"a:v1"'), 4, "not a glob of repositories"),
    ],
)
def test_each_mistake_is_reported_with_its_line(text: str, line: int, says: str) -> None:
    [problem] = [each for each in problems(text) if says in each]
    assert problem.startswith(f"rules.toml:{line}: ")


FEDERATION = """
[[federation]]
name = "ci"
issuer = "https://issuer.example"
audience = "registry"
subjects = ["*"]
"""


@pytest.mark.parametrize(
    "old, new, line, says",
    [
        ('name = "ci"\n', "", 6, "the federation lacks name"),
        ('"ci"', '"c i"', 7, "is not a valid name"),
        ("https:", "http:", 8, "must be a URL"),
        ("https://issuer.example", "https://[", 8, "must be a URL"),
        ("https://issuer.example", "https://issuer.example?a", 8, "must be a URL"),
        ('"registry"', "1", 9, "audience must be a string"),
        ('["*"]', "[]", 10, "subjects is empty"),
        ("subjects", "subject", 6, "lacks subjects"),
        ('["*"]\n', '["*"]\nclaims = 1', 11, "claims must be a table"),
        ('["*"]\n', '["*"]\nclaims.a = 1', 11, "claim a must be a string"),
        ('["*"]\n', '["*"]' + FEDERATION, 12, "the federation at line 6 has the name"),
    ],
)
def test_a_mistake_in_a_federation_is_reported_with_its_line(
    old: str, new: str, line: int, says: str
) -> None:
    [problem] = [p for p in problems((RULE + FEDERATION).replace(old, new)) if says in p]
    assert problem.startswith(f"rules.toml:{line}: ")


@pytest.mark.parametrize("issuer", ["http://localhost:80", "http://127.0.0.1/a", "http://[::1]:9"])
def test_an_issuer_on_this_machine_may_use_http(issuer: str) -> None:
    text = (RULE + FEDERATION).replace("https://issuer.example", issuer)
    assert Rules.parse(text).federations[0].issuer == issuer


GITHUB = FEDERATION.replace("https://issuer.example", "https://token.actions.githubusercontent.com")


@pytest.mark.parametrize(
    "subjects, claims",
    [
        ('["**"]', ""),
        ('["repo:*/app:**"]', ""),
        ('["repo:org*/**"]', ""),
        ('["repo:org/app:**", "repo:**"]', ""),
        ('["**"]', '{repository_owner = "*"}'),
        ('["**"]', '{repository_owner = "org*"}'),
        ('["**"]', '{ref = "refs/heads/main"}'),
        ('["**"]', '{job_workflow_ref = "org/app/.github/workflows/*"}'),
    ],
)
def test_the_tokens_of_everybody_on_github_are_not_accepted(subjects: str, claims: str) -> None:
    """Its users get tokens for any audience, and decide most of what these say."""
    text = GITHUB.replace('["*"]', subjects) + (f"claims = {claims}\n" if claims else "")
    [problem] = problems(RULE + text)
    assert problem.startswith("rules.toml:10: ")
    assert "accepts the tokens of anybody" in problem


@pytest.mark.parametrize(
    "subjects, claims",
    [
        ('["repo:org/app:ref:refs/heads/main"]', ""),
        ('["repo:org/*:ref:refs/heads/main"]', ""),
        ('["**"]', '{repository_owner_id = "1234567"}'),
        ('["**"]', '{repository = "org/*"}'),
    ],
)
def test_the_tokens_of_an_owner_on_github_are_accepted(subjects: str, claims: str) -> None:
    text = GITHUB.replace('["*"]', subjects) + (f"claims = {claims}\n" if claims else "")
    assert Rules.parse(RULE + text).warnings == ()


def test_all_tokens_of_an_issuer_of_ones_own_are_accepted_with_a_warning() -> None:
    [warning] = Rules.parse(RULE + FEDERATION, "rules.toml").warnings
    assert warning.startswith('rules.toml:10: "*" does not say whose tokens are accepted')
    for limits in ('claims = {team = "a"}\n', ""):
        subjects = '["*"]' if limits else '["system:serviceaccount:builds:*"]'
        assert not Rules.parse(RULE + FEDERATION.replace('["*"]', subjects) + limits).warnings


def test_the_example_in_the_documentation_is_valid() -> None:
    text = (PROJECT / "docs/access-rules.md").read_text()
    rules = Rules.parse(text.split("```toml\n")[1].split("```")[0])
    alice = rules.permissions(Identity("alice", "htpasswd"))
    assert alice.allows(Resource(REPOSITORY, "team-a/x"), PUSH)
    assert rules.federations[0].name == "github"


def rule(who: str, may: str, on: str) -> str:
    lists = (", ".join(f'"{word}"' for word in words.split()) for words in (who, may, on))
    return "[[rule]]\nwho = [{}]\nmay = [{}]\non = [{}]\n".format(*lists)


@pytest.mark.parametrize(
    "wide, narrow",
    [
        (("everyone", "pull", "**"), ("everyone", "pull", "**")),
        (("everyone", "pull", "**"), ("user:alice", "pull", "a")),
        (("anonymous", "push", "a/**"), ("everyone key:ci role:X", "list pull", "a/*/b a/b")),
        (("group:dev", "delete", "a*"), ("user:alice", "list", "a*b")),
        (("user:alice", "pull", "**/b/**"), ("user:alice", "pull", "a/b/?*")),
    ],
)
def test_a_redundant_rule_is_a_warning(
    wide: tuple[str, str, str], narrow: tuple[str, str, str]
) -> None:
    groups = '[groups]\ndev = ["alice"]\n'
    rules = Rules.parse(rule(*wide) + rule(*narrow) + groups, "rules.toml")
    assert len(rules.rules) == 2
    assert rules.warnings == (
        "rules.toml:5: the rule is redundant: the rule at line 1 allows the same already",
    )
    if wide != narrow:
        rules = Rules.parse(rule(*narrow) + rule(*wide) + groups, "rules.toml")
        assert rules.warnings == (
            "rules.toml:1: the rule is redundant: the rule at line 5 allows the same already",
        )


def test_several_rules_together_may_make_another_redundant() -> None:
    text = rule("everyone", "pull", "a/**") + rule("everyone", "delete", "**")
    assert len(Rules.parse(text + rule("user:bob", "pull delete", "a/b")).warnings) == 1
    assert not Rules.parse(text + rule("user:bob", "pull delete", "a/b b")).warnings


def test_mistakes_are_reported_without_warnings() -> None:
    """Redundancy is looked for in valid rules only."""
    [problem] = problems(RULE + RULE + rule("user:alice", "psh", "a"))
    assert "unknown action" in problem


@pytest.mark.parametrize(
    "one, other",
    [
        (("everyone", "pull", "**"), ("anonymous", "pull", "a/**")),
        (("everyone", "pull", "**"), ("user:alice", "push", "**")),
        (("everyone", "push", "**"), ("user:alice", "delete", "**")),
        (("user:alice", "pull", "*"), ("user:alice", "pull", "*/*")),
        (("key:alice", "pull", "**"), ("user:alice", "pull", "**")),
        (("group:dev", "pull", "**"), ("user:bob", "pull", "**")),
        (("group:dev", "pull", "a?"), ("user:alice", "pull", "a*")),
    ],
)
def test_overlapping_rules_are_not_redundant(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    text = rule(*one) + rule(*other) + '[groups]\ndev = ["alice"]\n'
    rules = Rules.parse(text)
    assert (len(rules.rules), rules.warnings) == (2, ())


@given(st.text() | st.lists(st.sampled_from([*WHOLE.splitlines(), *'[]{}="\n.,a1'])).map("\n".join))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        Rules.parse(text)
    except DocumentInvalid as error:
        assert all(problem.startswith("rules:") for problem in error.problems)  # noqa: PT017


@given(st.data())
def test_any_change_to_a_document_is_parsed_or_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(WHOLE)))
    until = data.draw(st.integers(at, min(at + 20, len(WHOLE))))
    text = WHOLE[:at] + data.draw(st.text("[]{}=\"'\\\n.,#a*1", max_size=6)) + WHOLE[until:]
    try:
        Rules.parse(text)
    except DocumentInvalid as error:
        assert error.problems  # noqa: PT017
