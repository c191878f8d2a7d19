"""Parsing of a rules document. All of it is checked before any of it is used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...glob_coverage import repository_glob_problem
from ...toml_tables import Problems, Source, Table, Text, nearest, parse_toml
from ..secure_urls import is_secure_url
from . import open_federations
from .coverage import redundant_rules
from .federation import Federation
from .rule import ANYBODY, EVERYONE, INCLUDES, KINDS, Groups, Rule, Who

_FEDERATION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class RulesDocument:
    """A valid document. ``warnings`` are one line of text each, with file and line."""

    rules: tuple[Rule, ...]
    groups: Groups
    federations: tuple[Federation, ...]
    warnings: list[str]


def parse_document(text: str, file: str) -> RulesDocument:
    """Parse a document in TOML. ``file`` is its name in messages.

    :raises DocumentInvalid: something is wrong with it; says all of it, with lines.
    """
    problems, warnings = Problems(file), Problems(file)
    content, source = parse_toml(text, problems)
    _expect_tables(content, source)
    groups = _read_groups(source.table(content, "groups"))
    federations = _read_federations(source.tables(content, "federation"), warnings)
    reader = _RuleReader(groups, {federation.name for federation in federations})
    rules = tuple(reader.read(table) for table in source.tables(content, "rule"))
    problems.raise_any()
    _warn_of_redundant(rules, groups, warnings)
    return RulesDocument(rules, groups, federations, warnings.lines())


def _expect_tables(content: Mapping[str, Any], source: Source) -> None:
    known = ("rule", "groups", "federation")
    Table(source, (), content, "the document").expect_only(known)
    if not content.get("rule"):
        source.problems.add(1, "there is no [[rule]], so nobody may do anything")


def _warn_of_redundant(rules: tuple[Rule, ...], groups: Groups, warnings: Problems) -> None:
    for rule, other in redundant_rules(rules, groups):
        warnings.add(
            rule.line,
            f"the rule is redundant: the rule at line {other.line} allows the same already",
        )


def _read_groups(table: Table) -> Groups:
    groups = {}
    for name in table.content:
        members = table.texts(name, '["alice", "bob"]')
        for member in members:
            if ":" in member.text:
                table.source.problems.add(
                    member.line,
                    f'group {name} contains "{member.text}": members are users of the password '
                    'file, by name only, such as "alice"',
                )
        groups[name] = frozenset(member.text for member in members)
    return groups


def _read_federations(tables: Iterable[Table], warnings: Problems) -> tuple[Federation, ...]:
    """Return all federations with a name, valid or not: the problems say what is wrong."""
    found: dict[str, Federation] = {}
    lines: dict[str, int] = {}
    for table in tables:
        federation = _read_federation(table)
        _check_openness(federation, table, warnings)
        name = federation.name
        if name in found:
            table.problem(f'the federation at line {lines[name]} has the name "{name}"', "name")
        elif name:
            found[name], lines[name] = federation, table.line
    return tuple(found.values())


def _read_federation(table: Table) -> Federation:
    table.expect_only(("name", "issuer", "audience", "subjects", "claims"))
    name, issuer, audience = (table.text(key) for key in ("name", "issuer", "audience"))
    if name and not _FEDERATION_NAME.fullmatch(name):
        table.problem(
            f'"{name}" is not a valid name: use letters, digits, ".", "_" and "-"', "name"
        )
    if issuer and not _is_issuer(issuer):
        table.problem(f'issuer = "{issuer}" must be a URL that begins with https://', "issuer")
    subjects = table.texts("subjects", '["repo:org/*:ref:refs/heads/main"]')
    claims = _read_claims(table)
    return Federation(name, issuer, audience, tuple(one.text for one in subjects), claims)


def _check_openness(federation: Federation, table: Table, warnings: Problems) -> None:
    if problem := open_federations.problem_with(federation):
        table.problem(problem, "subjects")
    elif warning := open_federations.warning_about(federation):
        warnings.add(table.source.line((*table.path, "subjects")), warning)


def _read_claims(table: Table) -> Mapping[str, str]:
    claims = table.content.get("claims", {})
    if not isinstance(claims, dict):
        table.problem('claims must be a table, such as {repository_owner = "org"}', "claims")
        return {}
    for claim, glob in claims.items():
        if not isinstance(glob, str) or not glob:
            table.problem(f"claim {claim} must be a string", "claims", claim)
    return {claim: glob for claim, glob in claims.items() if isinstance(glob, str)}


def _is_issuer(text: str) -> bool:
    """Whether this is the URL of an issuer: OpenID Connect Core 1.0, "Issuer Identifier"."""
    return is_secure_url(text) and "?" not in text and "#" not in text


@dataclass(frozen=True)
class _RuleReader:
    groups: Groups
    federations: set[str]

    def read(self, table: Table) -> Rule:
        table.expect_only(("who", "may", "on"))
        who = [self._read_who(text, table) for text in table.texts("who", '["group:dev"]')]
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

    def _read_who(self, text: Text, table: Table) -> Who | None:
        who = Who.parse(text.text)
        problem = _describe_malformed(text.text) if who is None else self._problem_with(who)
        if problem:
            table.source.problems.add(text.line, problem)
        return who

    def _problem_with(self, who: Who) -> str:
        if who.kind == "group" and who.name not in self.groups and not who.is_entra_group:
            guess = nearest(who.name, self.groups)
            return f'group "{who.name}" is not defined in [groups]{guess}'
        if who.kind == "federated" and who.name not in self.federations:
            guess = nearest(who.name, self.federations)
            return f'there is no [[federation]] with the name "{who.name}"{guess}'
        if "*" in who.name:
            return (
                f'"{who}" contains a wildcard, but names have none; "everyone" is every known '
                "caller"
            )
        if who.kind == "user" and ":" in who.name:
            return f'"{who}" can match nobody: user names have no colon'
        return ""


def _describe_malformed(text: str) -> str:
    kinds = [f"{kind}:" for kind in KINDS]
    if text.strip() in kinds:
        return f'"{text}" names nobody; write {text.strip()}NAME'
    words = (EVERYONE, ANYBODY, *kinds)
    guess = nearest(text, words) or f"; use {', '.join(words)}"
    return f'"{text}" is not a valid entry of who{guess}'


def _check_action(text: Text, problems: Problems) -> None:
    if text.text not in INCLUDES:
        guess = nearest(text.text, INCLUDES) or f"; use {', '.join(INCLUDES)}"
        problems.add(text.line, f'unknown action "{text.text}"{guess}')


def _check_glob(text: Text, problems: Problems) -> None:
    if problem := repository_glob_problem(text.text):
        problems.add(text.line, problem)
