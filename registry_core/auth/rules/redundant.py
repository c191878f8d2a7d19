"""Rules that change nothing: what they give is given already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from .reach import covers
from .rule import Rule
from .who import Groups, Who, wider


def redundant(rules: Sequence[Rule], groups: Groups) -> Iterator[tuple[Rule, Rule]]:
    """Each such rule with one of those that give the same: of two that are alike, the later."""
    left = _Rules(rules)
    for rule in reversed(rules):
        left.remove(rule)
        found = [
            left.covering(rule, wider(who, groups), glob) for who in rule.who for glob in rule.on
        ]
        if found and all(found):
            yield rule, found[0][0]
        else:
            left.add(rule)


class _Rules:
    """By whom they are for."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._by_who: dict[Who, dict[int, Rule]] = defaultdict(dict)
        for rule in rules:
            self.add(rule)

    def add(self, rule: Rule) -> None:
        for who in rule.who:
            self._by_who[who][id(rule)] = rule

    def remove(self, rule: Rule) -> None:
        for who in rule.who:
            del self._by_who[who][id(rule)]

    def covering(self, rule: Rule, whom: Sequence[Who], glob: str) -> list[Rule]:
        """Those that together give all that ``rule`` does on ``glob``; none if they do not."""
        lacking, found = set(rule.allowed), []
        for other in (each for who in whom for each in self._by_who[who].values()):
            if not lacking.isdisjoint(other.allowed) and any(covers(g, glob) for g in other.on):
                lacking -= other.allowed
                found.append(other)
        return [] if lacking else found
