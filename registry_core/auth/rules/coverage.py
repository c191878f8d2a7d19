"""Coverage: which globs match any repository name, which globs and rules include others.

Globs are compared by running three automata side by side, one character at a time: the grammar of
repository names and the two globs. Letters that no glob mentions behave alike, so one of them
stands for all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from ...globs import Glob, State, beginning, compile_glob
from ...spec.names import NAME_MAX_LENGTH, is_name
from .rule import Groups, Rule, Who

# The grammar of spec/names.py as an automaton: state and kind of character to state.
_START, _WORD, _DOT, _UNDERSCORE, _UNDERSCORES, _DASHES = range(6)
_NAMES: Mapping[int, Mapping[str, int]] = {
    _START: {"a": _WORD},
    _WORD: {
        "a": _WORD,
        ".": _DOT,
        "_": _UNDERSCORE,
        "-": _DASHES,
        "/": _START,
    },
    _DOT: {"a": _WORD},
    _UNDERSCORE: {"a": _WORD, "_": _UNDERSCORES},
    _UNDERSCORES: {"a": _WORD},
    _DASHES: {"a": _WORD, "-": _DASHES},
}
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_MOST_STEPS = 20_000


def can_match(glob: str) -> bool:
    """Whether the glob matches any valid repository name. True if that takes too long."""
    if is_name(glob.replace("**", "a").replace("*", "a").replace("?", "a")):
        return True
    machine = compile_glob(glob)
    return any(
        steps > _MOST_STEPS or machine.accepts(positions)
        for steps, (positions, _) in enumerate(_names(machine, machine))
    )


@lru_cache(4096)
def covers(wide: str, narrow: str) -> bool:
    """Whether ``wide`` matches all names that ``narrow`` does. False if that takes too long."""
    if wide in ("**", narrow):
        return True
    if not set("*?") & set(narrow):
        return compile_glob(wide).match(narrow)
    if not beginning(narrow).startswith(beginning(wide)):
        return False
    machine, other = compile_glob(narrow), compile_glob(wide)
    for steps, (positions, others) in enumerate(_names(machine, other)):
        if steps > _MOST_STEPS or (machine.accepts(positions) and not other.accepts(others)):
            return False
    return True


def _names(machine: Glob, other: Glob) -> Iterator[tuple[State, State]]:
    """Yield both states after each valid name that the first can still match, each pair once."""
    mentioned = (machine.characters | other.characters) & set(_LETTERS)
    unmentioned = next((letter for letter in _LETTERS if letter not in mentioned), "")
    characters = [*sorted(mentioned), *unmentioned, ".", "_", "-", "/"]
    states = {(_START, machine.start, other.start)}
    seen = set(states)
    for _ in range(NAME_MAX_LENGTH):
        following = set()
        for name, positions, others in states:
            for character in characters:
                kind = "a" if character in _LETTERS else character
                if kind in _NAMES[name]:
                    following.add(
                        (
                            _NAMES[name][kind],
                            machine.after(positions, character),
                            other.after(others, character),
                        )
                    )
        states = {state for state in following - seen if state[1]}
        seen |= states
        yield from ((p, o) for name, p, o in states if name == _WORD)


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
