"""What the rules allow, and to whom."""

from __future__ import annotations

import pytest

from registry_core.auth.identity import ANONYMOUS, Identity
from registry_core.auth.rules import EVERYONE_KNOWN, Rules
from registry_core.spec.scopes import WHOLE_CATALOG, Resource, repository_scope

RULES = Rules.parse("""
[groups]
dev = ["alice", "bob"]

[[federation]]
name = "github"
issuer = "https://issuer.example"
audience = "registry"
subjects = ["repo:org/*:ref:refs/heads/main"]

[[rule]]
who = ["anonymous"]
may = ["pull"]
on = ["public/**"]

[[rule]]
who = ["everyone"]
may = ["list"]
on = ["shop/*"]

[[rule]]
who = ["group:dev", "role:Pusher", "federated:github"]
may = ["push"]
on = ["team/**"]

[[rule]]
who = ["user:alice", "key:cleaner", "entra:1-2", "group:00000000-0000-0000-0000-00000000000a"]
may = ["delete"]
on = ["team/old-?"]
""")
ALICE, BOB, CARL = (Identity(name, "htpasswd") for name in ("alice", "bob", "carl"))


def may(identity: Identity, action: str, name: str, rules: Rules = RULES) -> bool:
    return rules.permissions(identity).allows(repository_scope(name).resource, action)


@pytest.mark.parametrize(
    "identity, action, allowed, others",
    [
        (ANONYMOUS, "pull", ["public/a", "public/a/b"], ["public", "team/a", "xpublic/a"]),
        (CARL, "pull", ["public/a"], ["team/a", "shop/a"]),
        (CARL, "push", [], ["public/a", "team/a"]),
        (BOB, "push", ["team/a", "team/a/b"], ["team", "teams/a", "public/a"]),
        (BOB, "pull", ["team/a", "public/a"], ["shop/a"]),
        (BOB, "delete", [], ["team/a", "team/old-1"]),
        (ALICE, "delete", ["team/old-1"], ["team/old-12", "team/old-", "team/a"]),
        (ALICE, "push", ["team/old-1"], ["public/a"]),
    ],
)
def test_an_identity_may_do_what_any_rule_allows(
    identity: Identity, action: str, allowed: list[str], others: list[str]
) -> None:
    for name in allowed:
        assert may(identity, action, name), name
    for name in others:
        assert not may(identity, action, name), name


@pytest.mark.parametrize(
    "identity, action",
    [
        (Identity("x", "entra", roles=frozenset({"Pusher"})), "push"),
        (Identity("repo:org/a:ref:refs/heads/main", "federated:github"), "push"),
        (Identity("cleaner", "key"), "delete"),
        (Identity("1-2", "entra"), "delete"),
        (
            Identity("x", "entra", groups=frozenset({"00000000-0000-0000-0000-00000000000a"})),
            "delete",
        ),
    ],
)
def test_each_kind_of_identity_has_its_own_entries(identity: Identity, action: str) -> None:
    assert may(identity, action, "team/old-1")


@pytest.mark.parametrize(
    "identity",
    [
        Identity("alice", "entra"),
        Identity("alice", "key"),
        Identity("alice", "federated:alice"),
        Identity("alice", ""),
        Identity("alice", "elsewhere"),
        Identity("Alice", "htpasswd"),
        Identity("carl", "htpasswd", groups=frozenset({"dev"}), roles=frozenset({"Pusher"})),
        Identity("carl", "entra", groups=frozenset({"dev"})),
        Identity("carl", "federated:gitlab", roles=frozenset({"Pusher"})),
        Identity("github", "htpasswd"),
        Identity("1-2", "htpasswd"),
    ],
)
def test_a_name_of_another_source_matches_nothing(identity: Identity) -> None:
    """Roles and object ids match tokens of Entra ID only."""
    assert not may(identity, "push", "team/old-1")
    assert not may(identity, "delete", "team/old-1")
    assert may(identity, "pull", "public/a")


@pytest.mark.parametrize(
    "name", ["public/../team/a", "public//a", "public/A", "public/a/", "public/a\n", "PUBLIC/a", ""]
)
def test_invalid_repository_names_are_refused(name: str) -> None:
    assert not may(ALICE, "pull", name)
    assert not may(ALICE, "pull", name, EVERYONE_KNOWN)


def test_only_known_actions_are_allowed() -> None:
    """``*`` means all of them; some clients request it in order to delete."""
    for action in ("", "admin", "PULL", "pull,push"):
        assert not may(ALICE, action, "team/a", EVERYONE_KNOWN)
    assert may(ALICE, "*", "team/old-1")
    assert not may(ALICE, "*", "team/a")


def test_the_catalog_shows_repositories_for_which_any_action_is_allowed() -> None:
    seen = {
        identity.name: [
            name
            for name in ("public/a", "shop/a", "team/a", "team/old-1", "other")
            if RULES.permissions(identity).sees(name)
        ]
        for identity in (ANONYMOUS, CARL, BOB, Identity("cleaner", "key"))
    }
    assert seen == {
        "": ["public/a"],
        "carl": ["public/a", "shop/a"],
        "bob": ["public/a", "shop/a", "team/a", "team/old-1"],
        "cleaner": ["public/a", "shop/a", "team/old-1"],
    }


def test_the_catalog_needs_a_repository_that_may_be_listed() -> None:
    [catalog], [action] = [WHOLE_CATALOG.resource], WHOLE_CATALOG.actions
    private = Rules.parse('[[rule]]\nwho=["user:alice"]\nmay=["list"]\non=["a"]')
    assert private.permissions(ALICE).allows(catalog, action)
    assert not private.permissions(ALICE).allows(catalog, "delete")
    assert not private.permissions(ALICE).allows(Resource("registry", "other"), action)
    assert not private.permissions(BOB).allows(catalog, action)
    assert not EVERYONE_KNOWN.permissions(ANONYMOUS).allows(catalog, action)


def test_pulling_all_repositories_is_reading_everything() -> None:
    assert EVERYONE_KNOWN.permissions(BOB).reads_everything()
    assert not EVERYONE_KNOWN.permissions(ANONYMOUS).reads_everything()
    assert not RULES.permissions(ALICE).reads_everything()
    only_listed = Rules.parse('[[rule]]\nwho=["everyone"]\nmay=["list"]\non=["**"]')
    assert not only_listed.permissions(ALICE).reads_everything()


def test_a_decision_is_explained_by_its_rules() -> None:
    team = repository_scope("team/a").resource
    allowed = RULES.explain(ALICE, team, "pull")
    assert (allowed.allowed, [rule.line for rule in allowed.allowing]) == (True, [21])
    denied = RULES.explain(ALICE, team, "delete")
    assert (denied.allowed, denied.allowing) == (False, ())
    assert [rule.line for rule in denied.applying] == [11, 16, 21, 26]
    assert not EVERYONE_KNOWN.explain(ANONYMOUS, team, "pull").applying
