"""Role assignments: only what the app needs, where it needs it, and each with its reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .declarations import File, Resource, Variable
from .expressions import Call, Expression, Name, literal
from .syntax import Problem
from .template import Template

ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
_DEFINITIONS = "Microsoft.Authorization/roleDefinitions"
_REASON = 15  # letters, below which a comment is no reason
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Role:
    """A built-in role that the app may have, and the type of resource that it may be had on."""

    name: str
    scope: str


# Microsoft Learn, "Azure built-in roles"; the scope is the narrowest that meets the app's need.
_ACCOUNT = "Microsoft.Storage/storageAccounts"
ROLES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": Role("Storage Blob Data Owner", _ACCOUNT),
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": Role(
        "Storage Blob Data Contributor", f"{_ACCOUNT}/blobServices/containers"
    ),
    "db58b8e5-c6ad-4a2a-8342-4190687cbf4a": Role("Storage Blob Delegator", _ACCOUNT),
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": Role("Storage Queue Data Contributor", _ACCOUNT),
    "3913510d-42f4-4e42-8a64-420c390055eb": Role(
        "Monitoring Metrics Publisher", "Microsoft.Insights/components"
    ),
    "4633458b-17de-408a-b874-0445c86b69e6": Role(
        "Key Vault Secrets User", "Microsoft.KeyVault/vaults"
    ),
}


def role_problems(template: Template) -> Iterator[Problem]:
    for file, resource in template.resources():
        if resource.type == ASSIGNMENT:
            for message in _problems(file, resource):
                yield Problem(file.path, resource.line, message)


def _problems(file: File, resource: Resource) -> Iterator[str]:
    name = resource.name
    guid = _role(file, resource.body.get("properties", "roleDefinitionId"))
    if guid is None:
        yield f"{name} must name its role as subscriptionResourceId('{_DEFINITIONS}', GUID)"
    elif guid not in ROLES:
        yield f"{name}: {guid} is none of the roles that the app may have; roles.py lists them"
    else:
        yield from _scope_problems(file, resource, ROLES[guid])
    if literal(resource.body.get("properties", "principalType")) != "ServicePrincipal":
        yield f"{name} needs principalType: 'ServicePrincipal': the identity may be seconds old"
    yield from _name_problems(resource)
    if not _has_reason(file, resource):
        yield f"{name} needs its reason: a comment right above, or a description"


def _role(file: File, value: Expression | None) -> str | None:
    """The GUID, written there or in a variable."""
    if not isinstance(value, Call) or value.function != "subscriptionResourceId":
        return None
    if len(value.arguments) != 2 or literal(value.arguments[0]) != _DEFINITIONS:
        return None
    last = value.arguments[1]
    if isinstance(last, Name) and (variable := file.named(Variable, last.name)):
        last = variable.value
    guid = literal(last)
    return guid if isinstance(guid, str) and _GUID.fullmatch(guid) else None


def _scope_problems(file: File, resource: Resource, role: Role) -> Iterator[str]:
    named = resource.body.get("scope")
    scope = file.named(Resource, named.name) if isinstance(named, Name) else None
    if scope is None or scope.type != role.scope:
        found = f"a {scope.type}" if scope else "what it is deployed into"
        yield f"{resource.name}: {role.name} belongs on a {role.scope}, not on {found}"


def _name_problems(resource: Resource) -> Iterator[str]:
    """A second deployment must find the first one's assignment: its name tells all three apart."""
    value = resource.body.get("name")
    if not isinstance(value, Call) or value.function != "guid" or len(value.arguments) < 3:
        yield f"{resource.name} needs a name that stays: guid(scope, principal, role)"
        return
    if any(isinstance(part, Call) for part in value.walk() if part is not value):
        yield f"{resource.name}: guid() must be of scope, principal and role alone"


def _has_reason(file: File, resource: Resource) -> bool:
    described = literal(resource.body.get("properties", "description"))
    first = min([resource.line, *(one.line for one in resource.decorators)])
    reasons = (file.comment_above(first), resource.description, str(described or ""))
    return any(len(reason) >= _REASON for reason in reasons)
