"""What a token allows: the scopes of Docker's token specification, as sets of single actions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from ..spec.scopes import Resource, Scope


@dataclass(frozen=True)
class ResourceAction:
    """One action on one resource, or a scope of a registry that uses words of its own."""

    resource: Resource | None
    action: str


@dataclass(frozen=True)
class Access:
    """Actions on resources, each once. Their order is that in which they are requested."""

    granted: tuple[ResourceAction, ...] = ()

    @classmethod
    def of(cls, scopes: Iterable[Scope]) -> Self:
        return cls(
            tuple(
                dict.fromkeys(
                    ResourceAction(scope.resource, action)
                    for scope in scopes
                    for action in scope.actions
                )
            )
        )

    @classmethod
    def parse(cls, text: str) -> Access:
        """Return what the parameter ``scope`` of a challenge names.

        Some registries have actions that Docker's specification does not allow, such as
        ``metadata_read``, or scopes of another form, such as ``aws``.
        """
        access = cls()
        for word in text.split():
            access |= _parse_word(word)
        return access

    @property
    def parameters(self) -> tuple[str, ...]:
        """The values of the parameters ``scope`` to request: one for each resource."""
        actions: dict[Resource, list[str]] = {}
        words = []
        for each in self.granted:
            if each.resource is None:
                words.append(each.action)
            else:
                actions.setdefault(each.resource, []).append(each.action)
        scopes = [str(Scope(resource, tuple(names))) for resource, names in actions.items()]
        return (*scopes, *words)

    @property
    def key(self) -> frozenset[ResourceAction]:
        return frozenset(self.granted)

    def covers(self, other: Access) -> bool:
        """Return whether this allows all that the other does."""
        return other.key <= self.key

    def __or__(self, other: Access) -> Access:
        return Access(tuple(dict.fromkeys((*self.granted, *other.granted))))


def _parse_word(word: str) -> Access:
    try:
        return Access.of([Scope.parse(word)])
    except ValueError:
        head, _, actions = word.rpartition(":")
        kind, colon, name = head.partition(":")
    if not colon:
        return Access((ResourceAction(None, word),))
    return Access.of([Scope(Resource(kind, name), tuple(actions.split(",")))])
