"""The challenge that says where a token is to be had, and for what.

Sources: Docker's "Token Authentication Specification", RFC 6750, section 3, RFC 9110, section
11.6.1; distribution's registry/auth/token/accesscontroller.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from ..spec.scopes import Resource, Scope


class ChallengeError(StrEnum):
    """RFC 6750, section 3.1: why a token that was sent did not do."""

    INVALID_TOKEN = "invalid_token"  # noqa: S105 - what the specification calls it
    INSUFFICIENT_SCOPE = "insufficient_scope"


def bearer_challenge(
    realm: str, service: str, needed: Iterable[Scope] = (), error: ChallengeError | None = None
) -> str:
    """The value of ``WWW-Authenticate``. All scopes stand in one parameter, in their order."""
    parameters = {"realm": realm, "service": service}
    if scope := " ".join(map(str, merged(needed))):
        parameters["scope"] = scope
    if error is not None:
        parameters["error"] = error.value
    return "Bearer " + ",".join(f"{name}={quoted(value)}" for name, value in parameters.items())


def quoted(text: str) -> str:
    """RFC 9110, section 5.6.4, "quoted-string"."""
    return '"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"'))


def merged(scopes: Iterable[Scope]) -> list[Scope]:
    """One scope for each resource, each action once, in the order in which they come first."""
    actions: dict[Resource, dict[str, None]] = {}
    for scope in scopes:
        actions.setdefault(scope.resource, {}).update(dict.fromkeys(scope.actions))
    return [Scope(resource, tuple(names)) for resource, names in actions.items()]
