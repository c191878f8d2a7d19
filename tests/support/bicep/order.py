"""What must be known before what: nothing waits for itself, and names wait for nothing.

Azure Resource Manager has to know the names, scopes, conditions and loops of a whole file before it
deploys anything of it (Bicep's BCP120 and its kin); only properties may wait for others.
"""

from __future__ import annotations

from collections.abc import Iterator

from .declarations import Declaration, File, Module, Resource, Variable, values
from .expressions import Condition, Expression, Loop, Member, Name, Object, unwrapped
from .symbols import free_names
from .syntax import Problem
from .template import Template

_EARLY_PROPERTIES = ("name", "scope", "parent")
_KNOWN_EARLY = frozenset({"id", "name", "type", "apiVersion"})


def circle_problems(template: Template) -> Iterator[Problem]:
    """Declarations that need themselves."""
    for file in template.files.values():
        yield from _circles(file)


def late_problems(template: Template) -> Iterator[Problem]:
    """Names and the like that wait for what is deployed."""
    for file in template.files.values():
        deployed: list[Resource | Module] = [*file.all(Resource), *file.all(Module)]
        for one in deployed:
            for value in _early(one.value):
                for found in _late(file, value):
                    what = f"{one.name}: {found.name} is known only after a deployment"
                    message = f"{what}; names, scopes, conditions and loops come before any"
                    yield Problem(file.path, value.line, message)


def _circles(file: File) -> Iterator[Problem]:
    needs = {one.name: _needed(one) for one in file.declarations if not _is_output(one)}
    for one in file.declarations:
        if not _is_output(one) and one.name in _reached(needs, one.name):
            message = f"{one.name} depends on itself: break the circle"
            yield Problem(file.path, one.line, message)


def _is_output(one: Declaration) -> bool:
    return type(one).__name__ == "Output"


def _needed(one: Declaration) -> frozenset[str]:
    return frozenset(name.name for value in values(one) for name in free_names(value))


def _reached(needs: dict[str, frozenset[str]], start: str) -> set[str]:
    """All that ``start`` needs, and what that needs."""
    found: set[str] = set()
    left = list(needs[start])
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += needs.get(name, frozenset())
    return found


def _early(value: Expression) -> Iterator[Expression]:
    body = unwrapped(value)
    while isinstance(value, (Loop, Condition)):
        yield value.over if isinstance(value, Loop) else value.condition
        value = value.body
    if isinstance(body, Object):
        yield from (one.value for one in body.properties if one.key in _EARLY_PROPERTIES)


def _late(file: File, value: Expression) -> Iterator[Member]:
    """What is read of resources and modules once they are there."""
    if isinstance(value, Member) and isinstance(value.of, Name):
        deployed = file.named(Resource, value.of.name) or file.named(Module, value.of.name)
        if deployed is not None and value.name not in _KNOWN_EARLY:
            yield value
            return
    if isinstance(value, Name) and (variable := file.named(Variable, value.name)):
        yield from _late(file, variable.value)
    for part in value.parts():
        yield from _late(file, part)
