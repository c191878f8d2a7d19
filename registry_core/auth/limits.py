"""What a credential is good for at most, whatever its holder may do."""

from __future__ import annotations

from collections.abc import Iterable

from ..globs import RepositoryGlobs
from ..spec.scopes import ANY, REPOSITORY, Resource, Scope, parse_scopes


def parse_limits(texts: Iterable[str]) -> tuple[Scope, ...]:
    """Scopes with globs for names, such as ``repository:team-a/**:pull``.

    :raises ValueError: one of them is none, or could never match.
    """
    limits = parse_scopes(texts)
    for limit in limits:
        if limit.resource.type == REPOSITORY:
            RepositoryGlobs((limit.resource.name,))
        if not limit.actions:
            raise ValueError(f"{limit} names no action, such as pull")
    return limits


def within(limits: Iterable[Scope] | None, resource: Resource, action: str) -> bool:
    """Whether one of the limits covers the action; without limits everything is covered."""
    return limits is None or any(_covers(limit, resource, action) for limit in limits)


def _covers(limit: Scope, resource: Resource, action: str) -> bool:
    if limit.resource.type != resource.type or {action, ANY}.isdisjoint(limit.actions):
        return False
    if resource.type == REPOSITORY:
        return RepositoryGlobs((limit.resource.name,)).match(resource.name)
    return limit.resource.name == resource.name
