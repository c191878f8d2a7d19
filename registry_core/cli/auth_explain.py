"""`auth explain`: may they do it, and by which rule."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..auth.claim_globs import ClaimGlobs, all_fit
from ..auth.identity import ANONYMOUS, Identity
from ..auth.rules import INCLUDES, Federation, Rule
from ..spec.errors import NameInvalid
from ..spec.names import parse_name
from ..spec.scopes import repository_scope
from .auth_rules import read_rules
from .options import Commands

ALLOWED, DENIED, WRONG = 0, 1, 2

EXPLAIN = """\
Tell whether somebody may do something with a repository, and by which rules of a document.
"""
EXAMPLES = """\
exit codes:
  0  they may
  1  they may not
  2  wrong options or rules

examples:
  python -m registry_core auth explain --rules rules.toml --user alice push team-a/app
  python -m registry_core auth explain --rules rules.toml --anonymous pull public/app
  python -m registry_core auth explain --rules rules.toml --federated github \\
      --subject repo:org/app:ref:refs/heads/main --claim repository_owner=org push team-a/app
"""


def add_explain(subcommands: Commands) -> None:
    """Its options."""
    parser = subcommands.add_parser(
        "explain",
        help="tell whether somebody may do something, and by which rule",
        description=EXPLAIN,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--rules", type=Path, required=True, metavar="FILE")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--user", metavar="NAME", help="a user of the htpasswd file")
    who.add_argument("--entra", metavar="ID", help="an identity of Entra ID, by its object id")
    who.add_argument("--key", metavar="NAME", help="a personal access key that stands for itself")
    who.add_argument("--federated", metavar="NAME", help="a bearer of a federation's token")
    who.add_argument("--anonymous", action="store_true", help="who shows nothing")
    entra = parser.add_argument_group("with --entra")
    entra.add_argument("--role", action="append", default=[], help="an app role; may be repeated")
    entra.add_argument("--group", action="append", default=[], help="a group's object id; likewise")
    federated = parser.add_argument_group("with --federated")
    federated.add_argument("--subject", default="", help="the token's subject")
    federated.add_argument(
        "--claim", action="append", default=[], type=_claim, metavar="NAME=VALUE", help="likewise"
    )
    parser.add_argument("action", choices=list(INCLUDES))
    parser.add_argument("repository", type=_repository)
    parser.set_defaults(run=_explain)


def _explain(arguments: argparse.Namespace, _environment: Mapping[str, str]) -> int:
    rules = read_rules(arguments.rules)
    if rules is None:
        return WRONG
    try:
        identity = _identity(arguments, rules.federations)
    except ValueError as error:
        print(f"registry: {error}", file=sys.stderr)
        return WRONG
    resource = repository_scope(arguments.repository).resource
    if identity is None:
        print(f"no: the federation {arguments.federated} takes no token of that subject and claims")
        return DENIED
    explanation = rules.explain(identity, resource, arguments.action)
    whether = "may" if explanation.allowed else "may not"
    name = identity.name or "whoever shows nothing"
    print(f"{name} {whether} {arguments.action} {arguments.repository}")
    if explanation.rules:
        _print("allowed by", arguments.rules, explanation.rules)
    elif explanation.theirs:
        _print("no rule that is for them allows it:", arguments.rules, explanation.theirs)
    else:
        print("no rule is for them")
    return ALLOWED if explanation.allowed else DENIED


def _print(title: str, file: Path, rules: Iterable[Rule]) -> None:
    print(title)
    for rule in rules:
        who, may, on = (", ".join(map(str, part)) for part in (rule.who, rule.may, rule.on))
        print(f"  {file}:{rule.line}: {who} may {may} on {on}")


def _identity(arguments: argparse.Namespace, federations: Iterable[Federation]) -> Identity | None:
    """Whom the options mean; None when the federation would not take their token.

    :raises ValueError: the options contradict each other, or the document.
    """
    if not arguments.entra and (arguments.role or arguments.group):
        raise ValueError(
            "--role and --group go with --entra; the groups of users stand in the document"
        )
    if not arguments.federated and (arguments.subject or arguments.claim):
        raise ValueError("--subject and --claim go with --federated")
    if arguments.user:
        return Identity(arguments.user, "htpasswd")
    if arguments.key:
        return Identity(arguments.key, "key")
    if arguments.entra:
        groups, roles = frozenset(arguments.group), frozenset(arguments.role)
        return Identity(arguments.entra, "entra", groups, roles)
    if arguments.federated:
        return _federated(arguments, federations)
    return ANONYMOUS


def _federated(arguments: argparse.Namespace, federations: Iterable[Federation]) -> Identity | None:
    by_name = {federation.name: federation for federation in federations}
    federation = by_name.get(arguments.federated)
    if federation is None:
        raise ValueError(f"no [[federation]] is named {arguments.federated!r}")
    if not arguments.subject:
        raise ValueError("--federated needs --subject")
    claims = {name: ClaimGlobs([glob]) for name, glob in federation.claims.items()}
    fits = ClaimGlobs(federation.subjects).fit(arguments.subject)
    if not fits or not all_fit(claims, dict(arguments.claim)):
        return None
    return Identity(arguments.subject, f"federated:{federation.name}")


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
