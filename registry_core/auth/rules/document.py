"""A rules document, read as a whole before any of it is used."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...globs import RepositoryGlobs
from .federation import Federation
from .federation_reading import read_federations
from .fields import Source, Table, Text
from .positions import find_lines
from .problems import Problems, nearest
from .reach import can_match
from .redundant import redundant
from .rule import INCLUDES, Rule
from .who import ANYBODY, EVERYONE, KINDS, Groups, Who

_POSITION = re.compile(r" \(at line (\d+), column \d+\)$| \(at end of document\)$")


@dataclass(frozen=True)
class Document:
    rules: tuple[Rule, ...]
    groups: Groups
    federations: tuple[Federation, ...]


def parse_document(text: str, file: str) -> Document:
    """:raises RulesInvalid: anything is wrong; says all of it, with lines."""
    problems = Problems(file)
    content, source = _parse_toml(text.removeprefix("\ufeff"), problems)
    _expect_tables(content, source)
    groups = _groups(source.table(content, "groups"))
    federations = read_federations(source.tables(content, "federation"))
    reader = _RuleReader(groups, {federation.name for federation in federations})
    rules = tuple(reader.rule(table) for table in source.tables(content, "rule"))
    if not problems.found:
        for rule, other in redundant(rules, groups):
            problems.add(
                rule.line,
                f"the rule gives nothing that the rule at line {other.line} does not give already",
            )
    problems.settle()
    return Document(rules, groups, federations)


def _parse_toml(text: str, problems: Problems) -> tuple[Mapping[str, Any], Source]:
    """:raises RulesInvalid: the text is no TOML; then there is nothing else to tell."""
    try:
        # ValueError: besides what TOML forbids, what Python does, as numbers of 5000 digits.
        return tomllib.loads(text), Source(find_lines(text), problems)
    except RecursionError:
        problems.add(1, "the document is nested too deeply")
    except ValueError as error:
        match = _POSITION.search(str(error))
        end = text.count("\n") + 1
        line = int(match[1]) if match and match[1] else end if match else 1
        problems.add(line, f"no TOML: {_POSITION.sub('', str(error))}")
    problems.settle()
    raise AssertionError("problems were added")


def _expect_tables(content: Mapping[str, Any], source: Source) -> None:
    known = ("rule", "groups", "federation")
    Table(source, (), content, "the document").expect_only(known)
    if not content.get("rule"):
        source.problems.add(1, "no [[rule]]: nobody may do anything")


def _groups(table: Table) -> Groups:
    groups = {}
    for name in table.content:
        members = table.texts(name, '["alice", "bob"]')
        for member in members:
            if ":" in member.text:
                table.source.problems.add(
                    member.line,
                    f'group {name} has "{member.text}": members are users of the password file, '
                    'by their names alone, such as "alice"',
                )
        groups[name] = frozenset(member.text for member in members)
    return groups


@dataclass(frozen=True)
class _RuleReader:
    groups: Groups
    federations: set[str]

    def rule(self, table: Table) -> Rule:
        table.expect_only(("who", "may", "on"))
        who = [self._who(text, table) for text in table.texts("who", '["group:dev"]')]
        may = table.texts("may", '["pull", "push"]')
        on = table.texts("on", '["team-a/**"]')
        for text in may:
            _check_action(text, table.source.problems)
        for text in on:
            _check_glob(text, table.source.problems)
        return Rule(
            tuple(each for each in who if each),
            tuple(text.text for text in may if text.text in INCLUDES),
            tuple(text.text for text in on),
            table.line,
        )

    def _who(self, text: Text, table: Table) -> Who | None:
        who = Who.parse(text.text)
        if problem := _who_problem(text.text) if who is None else self._undefined(who):
            table.source.problems.add(text.line, problem)
        return who

    def _undefined(self, who: Who) -> str:
        if who.kind == "group" and who.name not in self.groups and not who.is_entra_group:
            guess = nearest(who.name, self.groups)
            return f'no group "{who.name}" in [groups]{guess}'
        if who.kind == "federated" and who.name not in self.federations:
            guess = nearest(who.name, self.federations)
            return f'no [[federation]] is named "{who.name}"{guess}'
        if "*" in who.name:
            return f'"{who}" is a name, and names have no wildcards; "everyone" is whoever is known'
        if who.kind == "user" and ":" in who.name:
            return f'"{who}" can be nobody: user names have no colon'
        return ""


def _who_problem(text: str) -> str:
    words = (EVERYONE, ANYBODY, *(f"{kind}:" for kind in KINDS))
    guess = nearest(text, words) or f"; there are {', '.join(f'{word}' for word in words)}"
    return f'"{text}" is nobody a rule can be for{guess}'


def _check_action(text: Text, problems: Problems) -> None:
    if text.text not in INCLUDES:
        guess = nearest(text.text, INCLUDES) or f"; there are {', '.join(INCLUDES)}"
        problems.add(text.line, f'unknown action "{text.text}"{guess}')


def _check_glob(text: Text, problems: Problems) -> None:
    try:
        RepositoryGlobs((text.text,))
    except ValueError as error:
        problems.add(text.line, str(error))
        return
    if not can_match(text.text):
        problems.add(text.line, f'"{text.text}" matches no repository: no valid name is like it')
