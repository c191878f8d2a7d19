"""Coverage of globs: which match any valid name at all, and which match all that others do.

Globs are compared by running three automata side by side, one character at a time: the grammar of
the names and the two globs. Letters that no glob mentions behave alike, so one of them stands for
all.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from .globs import Glob, RepositoryGlobs, State, TagNameGlobs, beginning, compile_glob
from .spec.names import NAME_MAX_LENGTH, TAG_MAX_LENGTH, is_name, is_tag

_MOST_STEPS = 20_000


@dataclass(frozen=True, eq=False)
class Grammar:
    """The grammar of what globs match: an automaton, by state and kind of character.

    ``letters`` are all of the kind ``a``, each other character is a kind of its own. Texts that end
    in the state ``accepted`` are valid, as ``is_valid`` says of one at once.
    """

    letters: str
    steps: Mapping[int, Mapping[str, int]]
    accepted: int
    longest: int
    is_valid: Callable[[str], bool]

    @property
    def signs(self) -> list[str]:
        """The characters other than letters."""
        return sorted({kind for kinds in self.steps.values() for kind in kinds} - {"a"})


_START, _WORD, _DOT, _UNDERSCORE, _UNDERSCORES, _DASHES = range(6)

REPOSITORIES = Grammar(
    string.ascii_lowercase + string.digits,
    {
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
    },
    _WORD,
    NAME_MAX_LENGTH,
    is_name,
)
"""Repository names, as in spec/names.py."""

TAGS = Grammar(
    string.ascii_letters + string.digits,
    {
        _START: {"a": _WORD, "_": _WORD},
        _WORD: {"a": _WORD, "_": _WORD, ".": _WORD, "-": _WORD},
    },
    _WORD,
    TAG_MAX_LENGTH,
    is_tag,
)
"""Tags, as in spec/names.py."""


def can_match(glob: str, grammar: Grammar = REPOSITORIES) -> bool:
    """Whether the glob matches any valid name. True if that takes too long."""
    if grammar.is_valid(glob.replace("**", "a").replace("*", "a").replace("?", "a")):
        return True
    machine = compile_glob(glob)
    return any(
        steps > _MOST_STEPS or machine.accepts(positions)
        for steps, (positions, _) in enumerate(_names(machine, machine, grammar))
    )


def repository_glob_problem(glob: str) -> str:
    """Return what is wrong with a glob of repositories; empty if nothing is."""
    try:
        RepositoryGlobs((glob,))
    except ValueError as error:
        return str(error)
    return "" if can_match(glob) else f'"{glob}" matches no valid repository name'


def tag_glob_problem(glob: str) -> str:
    """Return what is wrong with a glob of tags; empty if nothing is."""
    try:
        TagNameGlobs((glob,))
    except ValueError as error:
        return str(error)
    return "" if can_match(glob, TAGS) else f'"{glob}" matches no valid tag'


@lru_cache(4096)
def covers(wide: str, narrow: str, grammar: Grammar = REPOSITORIES) -> bool:
    """Whether ``wide`` matches all names that ``narrow`` does. False if that takes too long."""
    if wide in ("**", narrow):
        return True
    if not set("*?") & set(narrow):
        return compile_glob(wide).match(narrow)
    if not beginning(narrow).startswith(beginning(wide)):
        return False
    machine, other = compile_glob(narrow), compile_glob(wide)
    sample = narrow.replace("**", "a").replace("*", "a").replace("?", "a")
    if grammar.is_valid(sample) and not other.match(sample):
        return False
    for steps, (positions, others) in enumerate(_names(machine, other, grammar)):
        if steps > _MOST_STEPS or (machine.accepts(positions) and not other.accepts(others)):
            return False
    return True


def _names(machine: Glob, other: Glob, grammar: Grammar) -> Iterator[tuple[State, State]]:
    """Yield both states after each valid name that the first can still match, each pair once."""
    mentioned = (machine.characters | other.characters) & set(grammar.letters)
    unmentioned = next((letter for letter in grammar.letters if letter not in mentioned), "")
    characters = [*sorted(mentioned), *unmentioned, *grammar.signs]
    states = {(_START, machine.start, other.start)}
    seen = set(states)
    for _ in range(grammar.longest):
        following = set()
        for name, positions, others in states:
            for character in characters:
                kind = "a" if character in grammar.letters else character
                if kind in grammar.steps[name]:
                    following.add(
                        (
                            grammar.steps[name][kind],
                            machine.after(positions, character),
                            other.after(others, character),
                        )
                    )
        states = {state for state in following - seen if state[1]}
        seen |= states
        yield from ((p, o) for name, p, o in states if name == grammar.accepted)
