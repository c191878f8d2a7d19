"""`auth check` and `auth explain`: what is wrong with a rules document, and what it allows."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..auth.identity import ANONYMOUS, ENTRA, FEDERATED, HTPASSWD, KEY, Identity
from ..auth.rules import INCLUDES, Federation, Rule, Rules
from ..spec.errors import NameInvalid
from ..spec.names import parse_name
from ..spec.scopes import repository_scope
from ..toml_tables import DocumentInvalid
from .options import Commands

DONE, PROBLEMS = 0, 1
ALLOWED, DENIED, WRONG = 0, 1, 2

EXPLAIN = """\
Say whether an identity may do something with a repository, and which rules of a document allow it.
"""
EXAMPLES = """\
exit codes:
  0  allowed
  1  not allowed
  2  invalid options or rules

examples:
  python -m registry_core auth explain --rules rules.toml --user alice push team-a/app
  python -m registry_core auth explain --rules rules.toml --anonymous pull public/app
  python -m registry_core auth explain --rules rules.toml --federated github \\
      --subject repo:org/app:ref:refs/heads/main --claim repository_owner=org push team-a/app
"""


def add_check(subcommands: Commands) -> None:
    """Add the subcommand and its options."""
    parser = subcommands.add_parser(
        "check",
        help="check a rules document",
        description="Print all problems of a rules document, with lines. The exit code is 1 if "
        "there are any; warnings do not count.",
        allow_abbrev=False,
    )
    parser.add_argument("rules", type=Path, metavar="RULES_FILE")
    parser.set_defaults(run=_check)


def _check(arguments: argparse.Namespace, _environment: Mapping[str, str]) -> int:
    rules = _read_rules(arguments.rules)
    if rules is None:
        return PROBLEMS
    for warning in rules.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    verdict = _count(len(rules.warnings), "warning") if rules.warnings else "no problems found"
    print(f"{arguments.rules}: {_count(len(rules.rules), 'rule')}, {verdict}")
    return DONE


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def add_explain(subcommands: Commands) -> None:
    """Add the subcommand and its options."""
    parser = subcommands.add_parser(
        "explain",
        help="say whether an identity may do something, and which rules allow it",
        description=EXPLAIN,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--rules", type=Path, required=True, metavar="FILE")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--user", metavar="NAME", help="a user of the htpasswd file")
    who.add_argument("--entra", metavar="ID", help="the object id of an identity of Entra ID")
    who.add_argument("--key", metavar="NAME", help="a personal access key without a user")
    who.add_argument(
        "--federated", metavar="NAME", help="the name of a federation whose token is used"
    )
    who.add_argument("--anonymous", action="store_true", help="without credentials")
    entra = parser.add_argument_group("with --entra")
    entra.add_argument("--role", action="append", default=[], help="an app role; can be repeated")
    entra.add_argument(
        "--group", action="append", default=[], help="the object id of a group; can be repeated"
    )
    federated = parser.add_argument_group("with --federated")
    federated.add_argument("--subject", default="", help="the token's subject")
    federated.add_argument(
        "--claim",
        action="append",
        default=[],
        type=_claim,
        metavar="NAME=VALUE",
        help="a claim of the token; can be repeated",
    )
    parser.add_argument("action", choices=list(INCLUDES))
    parser.add_argument("repository", type=_repository)
    parser.set_defaults(run=_explain)


def _explain(arguments: argparse.Namespace, _environment: Mapping[str, str]) -> int:
    rules = _read_rules(arguments.rules)
    if rules is None:
        return WRONG
    try:
        identity = _identity(arguments, rules.federations)
    except ValueError as error:
        print(f"registry: {error}", file=sys.stderr)
        return WRONG
    resource = repository_scope(arguments.repository).resource
    if identity is None:
        print(f"no: {arguments.federated} accepts no token with that subject and those claims")
        return DENIED
    explanation = rules.explain(identity, resource, arguments.action)
    whether = "may" if explanation.allowed else "may not"
    name = identity.name or "a caller without credentials"
    print(f"{name} {whether} {arguments.action} {arguments.repository}")
    if explanation.allowing:
        _print("allowed by", arguments.rules, explanation.allowing)
    elif explanation.applying:
        _print("none of the rules that apply allows it:", arguments.rules, explanation.applying)
    else:
        print("no rule applies")
    return ALLOWED if explanation.allowed else DENIED


def _print(title: str, file: Path, rules: Iterable[Rule]) -> None:
    print(title)
    for rule in rules:
        who, may, on = (", ".join(map(str, part)) for part in (rule.who, rule.may, rule.on))
        print(f"  {file}:{rule.line}: {who} may {may} on {on}")


def _identity(arguments: argparse.Namespace, federations: Iterable[Federation]) -> Identity | None:
    """Return the identity that the options describe; None if its federation rejects the token.

    :raises ValueError: the options contradict each other or the document.
    """
    if not arguments.entra and (arguments.role or arguments.group):
        raise ValueError("--role and --group need --entra; the groups of users are in the document")
    if not arguments.federated and (arguments.subject or arguments.claim):
        raise ValueError("--subject and --claim need --federated")
    if arguments.user:
        return Identity(arguments.user, HTPASSWD)
    if arguments.key:
        return Identity(arguments.key, KEY)
    if arguments.entra:
        groups, roles = frozenset(arguments.group), frozenset(arguments.role)
        return Identity(arguments.entra, ENTRA, groups, roles)
    if arguments.federated:
        return _federated(arguments, federations)
    return ANONYMOUS


def _federated(arguments: argparse.Namespace, federations: Iterable[Federation]) -> Identity | None:
    by_name = {federation.name: federation for federation in federations}
    federation = by_name.get(arguments.federated)
    if federation is None:
        raise ValueError(f"there is no [[federation]] with the name {arguments.federated!r}")
    if not arguments.subject:
        raise ValueError("--federated needs --subject")
    if federation.mismatch(arguments.subject, dict(arguments.claim)):
        return None
    return Identity(arguments.subject, f"{FEDERATED}:{federation.name}")


def _claim(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _repository(text: str) -> str:
    try:
        return parse_name(text)
    except NameInvalid as error:
        raise argparse.ArgumentTypeError(error.message) from None


def _read_rules(path: Path) -> Rules | None:
    """Return the rules of a document, or None after printing what is wrong with it."""
    try:
        return Rules.parse(path.read_text(encoding="utf-8"), str(path))
    except DocumentInvalid as error:
        problems = error.problems
    except OSError as error:
        problems = [f"registry: {path}: {error.strerror}"]
    except UnicodeDecodeError as error:
        problems = [f"registry: {path}: is not UTF-8 ({error.reason})"]
    print("\n".join(problems), file=sys.stderr)
    return None
