"""Bodies of resources against the REST models: names, kinds, and values that are listed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .catalogue import answer_of, body_of
from .declarations import File, Resource, Variable, values
from .expressions import (
    Array,
    Call,
    Choice,
    Expression,
    Loop,
    Member,
    Name,
    Object,
)
from .kinds import kinds, literals
from .shapes import Field
from .symbols import nearest
from .syntax import Problem
from .template import Template

# Bicep's own, beside what the REST body has.
_BICEP = frozenset({"name", "parent", "scope", "dependsOn"})
_ALWAYS_READ = frozenset({"id", "name", "type", "apiVersion", *_BICEP})
_FITTING = {
    "string": {"string", "null"},
    "int": {"int", "null"},
    "bool": {"bool", "null"},
    "object": {"object", "null"},
    "map": {"object", "null"},
    "array": {"array", "null"},
}


def property_problems(template: Template) -> Iterator[Problem]:
    for file, resource in template.resources():
        body = body_of(resource.type, resource.written_name)
        if body is None:
            message = f"no model of {resource.type} is known: name one in catalogue.py"
            yield Problem(file.path, resource.line, message)
            continue
        yield from _Checker(template, file).resource(resource, body)
    for file in template.files.values():
        yield from _read(file)


@dataclass(frozen=True)
class _Checker:
    template: Template
    file: File

    def resource(self, resource: Resource, body: Field) -> Iterator[Problem]:
        if resource.body.get("name") is None:
            yield self.problem(resource, f"{resource.name} needs a name")
        yield from self.parent(resource)
        if resource.existing:
            given = {entry.key for entry in resource.body.properties}
            for name in sorted(given - _BICEP):
                yield self.problem(resource, f"{resource.name} exists: {name} cannot be set")
            return
        yield from self.object(resource.body, body, resource.type, _BICEP)

    def parent(self, resource: Resource) -> Iterator[Problem]:
        """A child's parent is of the type that its own begins with."""
        wanted = resource.type.rpartition("/")[0]
        named = resource.body.get("parent")
        outer = named.name if isinstance(named, Name) else resource.name.rpartition("::")[0]
        parent = self.file.named(Resource, outer)
        if resource.type.count("/") > 1 and parent is None:
            yield self.problem(resource, f"{resource.name} needs a parent, a {wanted}")
        elif parent is not None and parent.type != wanted:
            message = f"the parent of {resource.name} must be a {wanted}, not a {parent.type}"
            yield self.problem(resource, message)

    def value(self, value: Expression, field: Field, path: str) -> Iterator[Problem]:
        """``path`` is what the value is called in messages."""
        ways = self.ways(value)
        if ways:
            for way in ways:
                yield from self.value(way, field, path)
            return
        found = kinds(self.template, self.file, value)
        if field.kind != "any" and not found <= _FITTING[field.kind]:
            yield self.problem(value, f"{path} must be {field.kind}, not {'/'.join(sorted(found))}")
        for line, one in literals(value):
            if field.choices and one is not None and one not in field.choices:
                message = f"{path} cannot be {one!r}; {nearest(str(one), field.choices)}"
                yield Problem(self.file.path, line, message)
        if isinstance(value, Object) and field.kind in ("object", "map"):
            yield from self.object(value, field, path)
        elif isinstance(value, (Array, Loop)) and field.kind == "array":
            items = value.items if isinstance(value, Array) else (value.body,)
            for item in items:
                yield from self.value(item, field.item, f"{path}[]")

    def ways(self, value: Expression) -> tuple[Expression, ...]:
        """What a value is chosen from, or put together of; nothing if it stands for itself."""
        if isinstance(value, Choice):
            return (value.then, value.otherwise)
        if isinstance(value, Call) and value.function in ("union", "concat"):
            return value.arguments
        variable = self.file.named(Variable, value.name) if isinstance(value, Name) else None
        return (variable.value,) if variable else ()

    def object(
        self, value: Object, field: Field, path: str, besides: frozenset[str] = frozenset()
    ) -> Iterator[Problem]:
        given: set[str] = set()
        for entry in value.properties:
            if entry.key in given:
                yield self.problem(entry, f"{entry.key} is set twice: remove one")
            given.add(entry.key)
            if entry.key in besides:
                continue
            inner = field.item if field.kind == "map" else field.fields.get(entry.key)
            if inner is None:
                message = f"{path} has no {entry.key}; {nearest(entry.key, field.fields)}"
                yield self.problem(entry, message)
            elif inner.read_only and field.kind != "map":
                yield self.problem(entry, f"{path}.{entry.key} can only be read: remove it")
            else:
                yield from self.value(entry.value, inner, f"{path}.{entry.key}")
        for name, inner in field.fields.items():
            if inner.required and name not in given | besides and field.kind == "object":
                yield self.problem(value, f"{path} needs {name}")

    def problem(self, where: Expression | Resource, message: str) -> Problem:
        return Problem(self.file.path, where.line, message)


def _read(file: File) -> Iterator[Problem]:
    """What is read of a resource, as in ``account.properties.primaryEndpoints.blob``, is there."""
    longest = [
        (value, path)
        for one in file.declarations
        for whole in values(one)
        for value in whole.walk()
        if isinstance(value, Member) and (path := _path(value))
    ]
    for value, (name, *rest) in longest:
        resource = file.named(Resource, name)
        answer = answer_of(resource.type, resource.written_name) if resource else None
        if answer is None or rest[0] in _ALWAYS_READ:
            continue
        for depth, part in enumerate(rest):
            if answer.kind != "object":
                break
            if part not in answer.fields:
                if depth == len(rest) - 1:
                    message = f"{name} has no {'.'.join(rest)}; {nearest(part, answer.fields)}"
                    yield Problem(file.path, value.line, message)
                break
            answer = answer.fields[part]


def _path(value: Expression) -> list[str]:
    """The names that lead to a value, from a symbol on; none when it begins with something else."""
    if isinstance(value, Name):
        return [value.name]
    if isinstance(value, Member) and (before := _path(value.of)):
        return [*before, value.name]
    return []
