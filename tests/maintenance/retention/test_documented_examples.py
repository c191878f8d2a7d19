"""The examples of docs/retention.md: each table says what its rules do with a repository."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import pytest

from registry_core.maintenance.retention import NO_POLICY, RetentionPolicy, TagState, UntaggedState
from registry_core.spec.digest import Digest
from registry_core.spec.expiry import parse_expiry
from tests.house.tree import PROJECT

PAGE = (PROJECT / "docs/retention.md").read_text()
NOW = 1_800_000_000.0
DAYS = {"today": 0, "yesterday": 1, "": None}


@dataclass(frozen=True)
class Example:
    """Rules, and a repository as a table: the names of what is in it, in each row's columns."""

    rules: str
    repository: str
    rows: Mapping[str, Mapping[str, str]]


def examples() -> Iterator[Example]:
    for block in PAGE.split("```toml\n")[1:]:
        rules, _, rest = block.partition("```\n")
        for name, text in re.findall(r"(?m)^In `([^`]+)`:\n\n((?:\|.*\n)+)", rest):
            lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.split("\n")]
            head, _, *rows = lines[:-1]
            yield Example(rules, name, {row[0]: dict(zip(head, row, strict=True)) for row in rows})


def ago(text: str) -> float | None:
    """Return the time in Unix seconds that a table names."""
    days = int(text.split(maxsplit=1)[0]) if text.endswith(" days ago") else DAYS[text]
    return None if days is None else NOW - timedelta(days=days).total_seconds()


EXAMPLES = list(examples())


def test_every_rule_of_the_page_is_in_an_example() -> None:
    """Each document is followed by at least one table."""
    assert {each.rules for each in EXAMPLES} == set(re.findall(r"(?s)```toml\n(.*?)```", PAGE))
    assert len(EXAMPLES) == PAGE.count("| what happens |")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.repository)
def test_what_the_page_says_happens(example: Example) -> None:
    policy = RetentionPolicy.parse(example.rules)
    assert policy.warnings == ()
    happens = {name: row["what happens"] for name, row in example.rows.items()}
    assert decisions(policy, example) == happens


def decisions(policy: RetentionPolicy, example: Example) -> dict[str, str]:
    """Return what happens with each row, as the tables say it."""
    tags, untagged = [], {}
    for name, row in example.rows.items():
        pushed, pulled = ago(row["set or pushed"]), ago(row.get("last pulled", ""))
        assert pushed is not None
        digest = Digest.of(name.encode())
        if name.startswith("`"):
            after = parse_expiry(row.get("expires after"))
            tags.append(TagState(name.strip("`"), digest, pushed, pulled, after))
        else:
            untagged[name] = UntaggedState(digest, pushed, pulled)
    where = example.repository
    gone = {f"`{tag}`": each.rule for tag, each in policy.expired_tags(where, tags, NOW).items()}
    kept = {f"`{tag}`": rule for tag, rule in policy.kept_tags(where, tags, NOW).items()}
    expired = policy.expired_untagged(where, list(untagged.values()), NOW)
    kept_untagged = policy.kept_untagged(where, list(untagged.values()), NOW)
    for name, state in untagged.items():
        gone |= {name: expired[state.digest].rule} if state.digest in expired else {}
        kept |= {name: kept_untagged[state.digest]} if state.digest in kept_untagged else {}
    assert gone.keys().isdisjoint(kept)
    happens = dict.fromkeys(example.rows, "stays")
    happens |= {name: f"kept by {by(rule)}" for name, rule in kept.items()}
    return happens | {name: f"goes by {by(rule)}" for name, rule in gone.items()}


def by(rule: str) -> str:
    found = re.search(r"at (line \d+):", rule)
    return found[1] if found else "itself"


def test_the_setting_for_untagged_manifests_does_what_the_page_says() -> None:
    """It is the same as the rule that the page shows."""
    section = PAGE.split("## Untagged manifests without a document\n")[1]
    [shown] = re.findall(r"`REGISTRY_GC_UNTAGGED=(\w+)`", section)
    rule = RetentionPolicy.parse(section.split("```toml\n")[1].split("```")[0])
    assert NO_POLICY.with_untagged(parse_expiry(shown)).expires == rule.expires
