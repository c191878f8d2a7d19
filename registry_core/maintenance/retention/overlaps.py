"""Retention rules that repeat others, never take effect, or add nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import TypeAlias, TypeVar

from ...glob_coverage import REPOSITORIES, TAGS, Grammar, covers
from .rules import Criterion, ExpireRule, KeepRule, Scope

Rule: TypeAlias = KeepRule | ExpireRule

MOST_COMPARED = 300
"""Documents with more globs are not searched for overlaps: each is compared with each, at a start.

A rule counts the product of its globs of repositories and of tags.
"""

RuleT = TypeVar("RuleT", KeepRule, ExpireRule)


def repeated_rules(rules: Sequence[RuleT]) -> Iterator[tuple[RuleT, RuleT]]:
    """Yield each rule that says the same as an earlier one, with that one."""
    seen: dict[object, RuleT] = {}
    for rule in rules:
        first = seen.setdefault(_meaning(rule), rule)
        if first is not rule:
            yield rule, first


def _meaning(rule: Rule) -> object:
    tags = rule.scope.tags
    what = rule.after if isinstance(rule, ExpireRule) else (rule.criterion, rule.amount)
    return frozenset(rule.scope.on.texts), frozenset(tags.texts) if tags else None, what


def can_be_compared(rules: Sequence[Rule]) -> bool:
    """Whether rules have few enough globs to look for `ineffective_rules` and `redundant_rules`."""
    sizes = (len(rule.scope.on.texts) * len(_tags_of(rule.scope)) for rule in rules)
    return sum(sizes) <= MOST_COMPARED


def ineffective_rules(
    expires: Sequence[ExpireRule], keeps: Sequence[KeepRule]
) -> Iterator[tuple[ExpireRule, Sequence[KeepRule]]]:
    """Yield each expire rule of which keep rules always keep everything, with those."""
    always = [keep for keep in keeps if keep.criterion is Criterion.ALWAYS]
    for expire in expires:
        parts = list(product(expire.scope.on.texts, _tags_of(expire.scope)))
        found = [next((k for k in always if _has(k.scope, *part)), None) for part in parts]
        keeping = [keep for keep in found if keep is not None]
        if len(keeping) == len(parts):
            yield expire, list(dict.fromkeys(keeping))


def _tags_of(scope: Scope) -> Sequence[str | None]:
    return (None,) if scope.tags is None else scope.tags.texts


def _has(scope: Scope, on: str, tag: str | None) -> bool:
    """Whether one glob of repositories and one of tags of the scope include these."""
    if (scope.tags is None) != (tag is None):
        return False
    return _any_covers(scope.on.texts, on, REPOSITORIES) and (
        scope.tags is None or tag is None or _any_covers(scope.tags.texts, tag, TAGS)
    )


def _any_covers(wide: Sequence[str], narrow: str, grammar: Grammar) -> bool:
    return any(covers(each, narrow, grammar) for each in wide)


def redundant_rules(
    keeps: Sequence[KeepRule], expires: Sequence[ExpireRule]
) -> Iterator[tuple[Rule, Rule]]:
    """Yield each rule whose effect another one has as well, with that one.

    Of two rules with the same effect, the later one is redundant.
    """
    yield from _redundant(keeps, _keeps_all_of)
    yield from _redundant(expires, _expires_all_of)


def _redundant(
    rules: Sequence[RuleT], includes: Callable[[RuleT, RuleT], bool]
) -> Iterator[tuple[RuleT, RuleT]]:
    for index, rule in enumerate(rules):
        for position, other in enumerate(rules):
            if position == index or not includes(other, rule):
                continue
            if position < index or not includes(rule, other):
                yield rule, other
                break


def _keeps_all_of(other: KeepRule, rule: KeepRule) -> bool:
    """Whether a rule keeps all that another one does."""
    if other.criterion is Criterion.ALWAYS:
        return _includes(other.scope, rule.scope)
    # Everything pushed within a time is kept by a rule about pulls: it counts from the push.
    by_push = (Criterion.PULLED, Criterion.PUSHED)
    if (other.criterion, rule.criterion) != by_push and other.criterion is not rule.criterion:
        return False
    if other.amount < rule.amount or not _includes(other.scope, rule.scope):
        return False
    # The newest of more tags are others.
    return other.criterion is not Criterion.NEWEST or _has_no_more_tags(other.scope, rule.scope)


def _expires_all_of(other: ExpireRule, rule: ExpireRule) -> bool:
    return other.after <= rule.after and _includes(other.scope, rule.scope)


def _includes(wide: Scope, narrow: Scope) -> bool:
    parts = product(narrow.on.texts, _tags_of(narrow))
    return all(_has(wide, *part) for part in parts)


def _has_no_more_tags(scope: Scope, other: Scope) -> bool:
    if scope.tags is None or other.tags is None:
        return True
    return all(_any_covers(other.tags.texts, tag, TAGS) for tag in scope.tags.texts)
