"""What may be done with what, in the words of Docker's token specification.

Sources: distribution.github.io/distribution/spec/auth/scope/ for the grammar of scopes, and
distribution's registry/handlers/app.go for what each request needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..spec.names import is_name

REPOSITORY = "repository"
REGISTRY = "registry"
CATALOG = "catalog"
PULL, PUSH, DELETE = "pull", "push", "delete"
ANY = "*"

_TYPE = re.compile(r"([a-z0-9]+)(?:\(([a-z0-9]+)\))?")
_ACTION = re.compile(r"[a-z]*|\*")


@dataclass(frozen=True)
class Resource:
    """A repository by its name, or the registry's ``catalog``.

    ``resource_class`` is empty, or what stands in brackets behind a scope's type, as ``plugin``.
    """

    type: str
    name: str
    resource_class: str = ""

    def __str__(self) -> str:
        resource_class = f"({self.resource_class})" if self.resource_class else ""
        return f"{self.type}{resource_class}:{self.name}"


@dataclass(frozen=True)
class Scope:
    """Actions on one resource."""

    resource: Resource
    actions: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.resource}:{','.join(self.actions)}"

    @classmethod
    def parse(cls, text: str) -> Scope:
        """``repository(plugin):a/b:pull,push``.

        :raises ValueError: it is none.
        """
        head, _, actions = text.rpartition(":")
        kind, colon, name = head.partition(":")
        match = _TYPE.fullmatch(kind)
        parts = tuple(dict.fromkeys(actions.split(",")))
        if not (match and colon and name and all(map(_ACTION.fullmatch, parts))):
            raise ValueError(f"{text!r} is no scope, such as repository:a/b:pull,push")
        return cls(Resource(match[1], name, match[2] or ""), tuple(filter(None, parts)))

    @property
    def is_of_repository(self) -> bool:
        return self.resource.type == REPOSITORY and is_name(self.resource.name)


def repository(name: str, *actions: str) -> Scope:
    """A scope of actions on a repository."""
    return Scope(Resource(REPOSITORY, name), actions)


WHOLE_CATALOG = Scope(Resource(REGISTRY, CATALOG), (ANY,))


def parse_scopes(texts: Iterable[str]) -> tuple[Scope, ...]:
    """Scopes as clients send them: several in one parameter, or a parameter for each.

    :raises ValueError: one of them is none.
    """
    return tuple(Scope.parse(text) for many in texts for text in many.split())
