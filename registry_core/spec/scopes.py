"""Scopes: actions on resources, in the vocabulary of Docker's token specification.

Source: distribution.github.io/distribution/spec/auth/scope/.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .names import is_name

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

    ``resource_class`` is empty, or what follows a scope's type in brackets, such as ``plugin``.
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

        :raises ValueError: the text is not a scope.
        """
        head, _, actions = text.rpartition(":")
        kind, colon, name = head.partition(":")
        match = _TYPE.fullmatch(kind)
        parts = tuple(dict.fromkeys(actions.split(",")))
        if not (match and colon and name and all(map(_ACTION.fullmatch, parts))):
            raise ValueError(f"{text!r} is not a scope, such as repository:a/b:pull,push")
        return cls(Resource(match[1], name, match[2] or ""), tuple(filter(None, parts)))

    @property
    def is_of_repository(self) -> bool:
        """Whether the resource is a repository with a valid name."""
        return self.resource.type == REPOSITORY and is_name(self.resource.name)


def repository_scope(name: str, *actions: str) -> Scope:
    """Return the scope of actions on a repository."""
    return Scope(Resource(REPOSITORY, name), actions)


WHOLE_CATALOG = Scope(Resource(REGISTRY, CATALOG), (ANY,))


def parse_scopes(texts: Iterable[str]) -> tuple[Scope, ...]:
    """Parse scopes as clients send them: several in one parameter, or a parameter for each.

    :raises ValueError: one of them is not a scope.
    """
    return tuple(Scope.parse(text) for many in texts for text in many.split())
