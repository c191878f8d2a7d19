"""One rule, and whom it is for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ...spec.scopes import DELETE, PULL, PUSH
from ..identity import ANONYMOUS, ENTRA, FEDERATED, HTPASSWD, KEY, Identity

LIST = "list"

INCLUDES: Mapping[str, tuple[str, ...]] = {
    LIST: (LIST,),
    PULL: (PULL, LIST),
    PUSH: (PUSH, PULL, LIST),
    DELETE: (DELETE, LIST),
}
"""The actions that each action includes. A push begins by asking what is there: it needs pull."""

Groups: TypeAlias = Mapping[str, frozenset[str]]
"""The members of each group that the document defines: users of the password file."""

EVERYONE, ANYBODY = "everyone", "anonymous"
KINDS = ("user", "group", "role", "entra", "federated", "key")

_KIND_BY_SOURCE = {HTPASSWD: "user", ENTRA: "entra", FEDERATED: "federated", KEY: "key"}
_OBJECT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Who:
    """An entry of ``who``: one of `KINDS` with a name, or `EVERYONE` or `ANYBODY`."""

    kind: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind

    @classmethod
    def parse(cls, text: str) -> Who | None:
        """Parse an entry; None if it is malformed."""
        kind, _, name = text.partition(":")
        if text in (EVERYONE, ANYBODY):
            return cls(text)
        return cls(kind, name) if kind in KINDS and name and name == name.strip() else None

    @property
    def is_entra_group(self) -> bool:
        """Whether this is a group of Entra ID, whose tokens name groups by their object ids."""
        return self.kind == "group" and _OBJECT_ID.fullmatch(self.name) is not None

    def wider(self, groups: Groups) -> list[Who]:
        """Return all entries that include this one, itself first."""
        found = [self]
        if self.kind == "user":
            found += [Who("group", name) for name, users in groups.items() if self.name in users]
        if self.kind != ANYBODY:
            found += [Who(ANYBODY)] if self.kind == EVERYONE else [Who(EVERYONE), Who(ANYBODY)]
        return found


def entries_for(identity: Identity, groups: Groups) -> frozenset[Who]:
    """Return all entries that include an identity. A rule with any of them applies to it.

    A name is valid for its own source only: no token can make its bearer ``user:alice``.
    """
    if identity == ANONYMOUS:
        return frozenset({Who(ANYBODY)})
    found = {Who(ANYBODY), Who(EVERYONE)}
    source, _, federation = identity.source.partition(":")
    if kind := _KIND_BY_SOURCE.get(source):
        found.add(Who(kind, federation or identity.name))
    if kind == "user":
        found.update(Who("group", name) for name, users in groups.items() if identity.name in users)
    if kind == "entra":
        found.update(Who("role", role) for role in identity.roles)
        claimed = (Who("group", group) for group in identity.groups)
        found.update(who for who in claimed if who.is_entra_group)
    return frozenset(found)


@dataclass(frozen=True)
class Rule:
    """Who may do what on which repositories.

    ``on`` are globs of repository names. ``line`` is the rule's line in its document, or 0.
    """

    who: tuple[Who, ...]
    may: tuple[str, ...]
    on: tuple[str, ...]
    line: int = 0

    @property
    def allowed(self) -> frozenset[str]:
        """The actions in ``may``, with those that they include."""
        return frozenset(each for action in self.may for each in INCLUDES[action])
