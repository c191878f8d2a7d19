"""Coverage of access rules: which allow nothing that others do not allow already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from ...glob_coverage import covers
from ...globs import beginning
from .rule import Groups, Rule, Who


def redundant_rules(rules: Sequence[Rule], groups: Groups) -> Iterator[tuple[Rule, Rule]]:
    """Yield each rule that adds nothing, with one of those that allow the same already.

    Of two equal rules, the later one is redundant.
    """
    others = _RuleIndex(rules)
    for rule in reversed(rules):
        others.remove(rule)
        found = [
            others.covering(rule, who.wider(groups), glob) for who in rule.who for glob in rule.on
        ]
        if found and all(found):
            yield rule, found[0][0]
        else:
            others.add(rule)


class _RuleIndex:
    """Rules by who they are for and how their globs begin.

    A glob covers only globs that begin as it does, so that of thousands of rules few are compared.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._order = {id(rule): index for index, rule in enumerate(rules)}
        self._found: dict[tuple[Who, str], dict[int, Rule]] = defaultdict(dict)
        for rule in rules:
            self.add(rule)

    def add(self, rule: Rule) -> None:
        for key in self._keys(rule):
            self._found[key][self._order[id(rule)]] = rule

    def remove(self, rule: Rule) -> None:
        for key in self._keys(rule):
            self._found[key].pop(self._order[id(rule)], None)

    def _keys(self, rule: Rule) -> Iterator[tuple[Who, str]]:
        return ((who, beginning(glob)) for who in rule.who for glob in rule.on)

    def covering(self, rule: Rule, entries: Sequence[Who], glob: str) -> list[Rule]:
        """Return rules that together allow all that ``rule`` does on ``glob``; none if not all."""
        missing, found = set(rule.allowed), []
        for other in (each for who in entries for each in self._candidates(who, glob)):
            if not missing.isdisjoint(other.allowed) and any(covers(g, glob) for g in other.on):
                missing -= other.allowed
                found.append(other)
        return [] if missing else found

    def _candidates(self, who: Who, glob: str) -> Iterator[Rule]:
        """Yield the rules with a glob that may cover ``glob``, in the document's order."""
        start = beginning(glob)
        candidates: dict[int, Rule] = {}
        for end in range(len(start) + 1):
            candidates |= self._found.get((who, start[:end]), {})
        return (candidates[index] for index in sorted(candidates))
