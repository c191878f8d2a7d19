"""Parsing of a retention document. All of it is checked before any of it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from ...glob_coverage import repository_glob_problem, tag_glob_problem
from ...globs import RepositoryGlobs, TagNameGlobs
from ...spec.durations import parse_duration
from ...storage.pulls import DAY, KEPT_DAYS
from ...toml_tables import Problems, Source, Table, parse_toml
from .overlaps import (
    Rule,
    can_be_compared,
    ineffective_rules,
    redundant_rules,
    repeated_rules,
)
from .rules import EVERY_TAG, Criterion, ExpireRule, KeepRule, Scope

_CRITERIA = tuple(Criterion)
_EXAMPLES = 'newest = 10, pushed = "30d", pulled = "90d" or always = true'


def parse_document(
    text: str, file: str
) -> tuple[tuple[KeepRule, ...], tuple[ExpireRule, ...], tuple[str, ...]]:
    """Parse a document in TOML. ``file`` is its name in messages.

    Returns the rules of both kinds, and warnings: one line of text each, with file and line.

    :raises DocumentInvalid: something is wrong with it; says all of it, with lines.
    """
    problems, warnings = Problems(file), Problems(file)
    content, source = parse_toml(text, problems)
    _expect_tables(content, source)
    keeps = tuple(map(_read_keep, source.tables(content, "keep")))
    expires = tuple(map(_read_expire, source.tables(content, "expire")))
    problems.raise_any()
    _check_overlaps(keeps, expires, problems, warnings)
    problems.raise_any()
    return keeps, expires, tuple(warnings.lines())


def _expect_tables(content: Mapping[str, Any], source: Source) -> None:
    Table(source, (), content, "the document").expect_only(("keep", "expire"))
    if not content.get("keep") and not content.get("expire"):
        source.problems.add(1, "there is no [[keep]] and no [[expire]], so the rules do nothing")


def _read_keep(table: Table) -> KeepRule:
    table.expect_only(("on", "tags", "untagged", *_CRITERIA))
    scope = _read_scope(table, EVERY_TAG)
    given = [criterion for criterion in _CRITERIA if criterion in table.content]
    if not given:
        table.problem(f"the keep lacks a criterion: {_EXAMPLES}")
    elif len(given) > 1:
        names = " and ".join(given)
        table.problem(f"the keep has {names}; write a [[keep]] for each", given[1])
    # With a problem in the document, what is returned is not used.
    criterion = given[0] if given else Criterion.ALWAYS
    amount = _AMOUNTS[criterion](table, criterion) if given else 0
    text = f"[[keep]] at line {table.line}: {_shown(table, criterion)}"
    return KeepRule(scope, criterion, amount, text, table.line)


def _read_expire(table: Table) -> ExpireRule:
    table.expect_only(("on", "tags", "untagged", "after"))
    if "tags" not in table.content and "untagged" not in table.content:
        table.problem('the expire lacks tags, such as tags = ["pr-*"], or untagged = true')
    scope = _read_scope(table, TagNameGlobs())
    if "after" not in table.content:
        table.problem('the expire lacks after, such as after = "14d"')
    after = _read_duration(table, "after") if "after" in table.content else timedelta()
    if scope.tags is None:
        _check_known(table, "after", after.total_seconds())
    text = f"[[expire]] at line {table.line}: {_shown(table, 'after')}"
    return ExpireRule(scope, after, text, table.line)


def _shown(table: Table, key: str) -> str:
    value = table.content.get(key)
    return key if value is True else f"{key} {value}"


def _read_scope(table: Table, tags_by_default: TagNameGlobs) -> Scope:
    on = RepositoryGlobs(table.checked_texts("on", '["team/**"]', repository_glob_problem))
    has_tags = "tags" in table.content
    tags = table.checked_texts("tags", '["v*"]', tag_glob_problem) if has_tags else ()
    if "untagged" in table.content:
        _read_true(table, "untagged")
        if has_tags:
            table.problem("a rule is for tags or for untagged = true; write two rules", "untagged")
        return Scope(on, None)
    return Scope(on, TagNameGlobs(tags) if has_tags else tags_by_default)


def _read_true(table: Table, key: str) -> float:
    if table.content[key] is not True:
        table.problem(f"{key} can only be true; leave it out otherwise", key)
    return 0


def _read_number(table: Table, key: str) -> float:
    number = table.content[key]
    if type(number) is not int or number < 1:
        table.problem(f"{key} must be a whole number of at least 1", key)
        return 1
    return number


def _read_duration(table: Table, key: str) -> timedelta:
    text = table.content[key]
    if not isinstance(text, str):
        table.problem(f'{key} must be a duration in quotes, such as {key} = "14d"', key)
        return timedelta()
    try:
        return parse_duration(text)
    except ValueError as error:
        table.problem(f"{key}: {error}", key)
        return timedelta()


def _read_window(table: Table, key: str) -> float:
    before = len(table.source.problems.found)
    seconds = _read_duration(table, key).total_seconds()
    if not seconds and len(table.source.problems.found) == before:
        table.problem(f"{key} is zero, so the rule keeps nothing", key)
    return seconds


def _read_pulled(table: Table, key: str) -> float:
    seconds = _read_window(table, key)
    _check_known(table, key, seconds)
    return seconds


def _check_known(table: Table, key: str, seconds: float) -> None:
    if seconds > KEPT_DAYS * DAY:
        table.problem(f"{key} must be at most {KEPT_DAYS}d: earlier pulls are not known", key)


_AMOUNTS: Mapping[Criterion, Callable[[Table, str], float]] = {
    Criterion.NEWEST: _read_number,
    Criterion.PUSHED: _read_window,
    Criterion.PULLED: _read_pulled,
    Criterion.ALWAYS: _read_true,
}


def _check_overlaps(
    keeps: tuple[KeepRule, ...],
    expires: tuple[ExpireRule, ...],
    problems: Problems,
    warnings: Problems,
) -> None:
    repeated: list[tuple[Rule, Rule]] = [*repeated_rules(keeps), *repeated_rules(expires)]
    for rule, earlier in repeated:
        problems.add(
            rule.line, f"the rule repeats that at line {earlier.line}: remove one of the two"
        )
    if not can_be_compared([*keeps, *expires]):
        return
    for expire, keeping in ineffective_rules(expires, keeps):
        lines = " and ".join(str(keep.line) for keep in keeping)
        problems.add(
            expire.line,
            f"the rule can never let anything go: always = true at line {lines} keeps all of it",
        )
    for rule, other in redundant_rules(keeps, expires):
        warnings.add(
            rule.line, f"the rule is redundant: that at line {other.line} does the same already"
        )
