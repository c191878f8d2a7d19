"""Where things are deployed: into the scope of their file, unless a module takes them elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from .declarations import File, Resource
from .expressions import Name
from .syntax import Problem
from .template import Template

# What may be deployed into a subscription; everything else here needs a resource group.
_OF_SUBSCRIPTIONS = frozenset(
    {
        "Microsoft.Resources/resourceGroups",
        "Microsoft.Authorization/roleAssignments",
        "Microsoft.Authorization/locks",
    }
)
_EXTENSIONS = frozenset(
    {"Microsoft.Authorization/roleAssignments", "Microsoft.Authorization/locks"}
)
_SCOPES = frozenset({"resourceGroup", "subscription"})


def scope_problems(template: Template) -> Iterator[Problem]:
    for file in template.files.values():
        if file.scope not in _SCOPES:
            yield Problem(file.path, 1, f"targetScope {file.scope} is not expected here")
        for resource in file.all(Resource):
            for message in _problems(file, resource):
                yield Problem(file.path, resource.line, message)


def _problems(file: File, resource: Resource) -> Iterator[str]:
    scope = resource.body.get("scope")
    if file.scope == "subscription" and resource.type not in _OF_SUBSCRIPTIONS and not scope:
        yield f"{resource.type} needs a resource group: put {resource.name} into a module"
    if resource.existing or scope is None:
        return
    if resource.type not in _EXTENSIONS or not isinstance(scope, Name):
        yield f"{resource.name} cannot be put elsewhere by scope: put it into a module"
        return
    target = file.named(Resource, scope.name)
    elsewhere = target.body.get("scope") if target else None
    if target and target.existing and elsewhere is not None:
        yield f"{resource.name}: {target.name} lies in another scope; put both into a module of its"
