"""Whom a rule is for: the words of ``who``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ..identity import ANONYMOUS, Identity

Groups: TypeAlias = Mapping[str, frozenset[str]]
"""Of each group that the document defines: its members, users of the password file."""

EVERYONE, ANYBODY = "everyone", "anonymous"
KINDS = ("user", "group", "role", "entra", "federated", "key")

_BY_SOURCE = {"htpasswd": "user", "entra": "entra", "federated": "federated", "key": "key"}
_OBJECT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Who:
    """``kind`` is one of `KINDS`, or one of the two words that stand alone."""

    kind: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind

    @classmethod
    def parse(cls, text: str) -> Who | None:
        """None when it is nobody."""
        kind, _, name = text.partition(":")
        if text in (EVERYONE, ANYBODY):
            return cls(text)
        return cls(kind, name) if kind in KINDS and name and name == name.strip() else None

    @property
    def is_entra_group(self) -> bool:
        """Entra ID's tokens name groups by their object id."""
        return self.kind == "group" and _OBJECT_ID.fullmatch(self.name) is not None


def all_of(identity: Identity, groups: Groups) -> frozenset[Who]:
    """All that somebody is: each rule for any of these is for them.

    A name counts for its own source only: nobody becomes ``user:alice`` by what a token says.
    """
    if identity == ANONYMOUS:
        return frozenset({Who(ANYBODY)})
    found = {Who(ANYBODY), Who(EVERYONE)}
    source, _, of_federation = identity.source.partition(":")
    if kind := _BY_SOURCE.get(source):
        found.add(Who(kind, of_federation or identity.name))
    if kind == "user":
        found.update(Who("group", name) for name, users in groups.items() if identity.name in users)
    if kind == "entra":
        found.update(Who("role", role) for role in identity.roles)
        claimed = (Who("group", group) for group in identity.groups)
        found.update(who for who in claimed if who.is_entra_group)
    return frozenset(found)


def wider(who: Who, groups: Groups) -> list[Who]:
    """Who includes all that ``who`` does: itself first."""
    found = [who]
    if who.kind == "user":
        found += [Who("group", name) for name, users in groups.items() if who.name in users]
    if who.kind != ANYBODY:
        found += [Who(ANYBODY)] if who.kind == EVERYONE else [Who(EVERYONE), Who(ANYBODY)]
    return found
