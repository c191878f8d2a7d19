"""A token's ``access`` claim. Docker's "Token Authentication Implementation", "Claim Set"."""

from __future__ import annotations

from ..spec.scopes import Resource, Scope
from .caller import CredentialsInvalid


def parse_access(claim: object) -> tuple[Scope, ...]:
    """What the entries grant; nothing without any.

    :raises CredentialsInvalid: one of them is none.
    """
    if claim is None:
        return ()
    if not isinstance(claim, list):
        raise CredentialsInvalid("the token's access is no list")
    return tuple(map(_parse_entry, claim))


def _parse_entry(entry: object) -> Scope:
    if not isinstance(entry, dict):
        raise CredentialsInvalid("an entry of the token's access is no object")
    kind, name = entry.get("type"), entry.get("name")
    resource_class, actions = entry.get("class") or "", entry.get("actions") or []
    texts = (kind, name, resource_class)
    if not (isinstance(actions, list) and all(isinstance(x, str) for x in (*texts, *actions))):
        raise CredentialsInvalid("an entry of the token's access lacks a part")
    return Scope(Resource(str(kind), str(name), resource_class), tuple(actions))


def access_of(scopes: tuple[Scope, ...]) -> list[dict[str, object]]:
    """The claim that `parse_access` reads the scopes from."""
    return [_entry(scope.resource, scope.actions) for scope in scopes]


def _entry(resource: Resource, actions: tuple[str, ...]) -> dict[str, object]:
    entry: dict[str, object] = {
        "type": resource.type,
        "name": resource.name,
        "actions": list(actions),
    }
    return entry | ({"class": resource.resource_class} if resource.resource_class else {})
