"""A folder of Bicep files, read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from tree_sitter import Node

from .declarations import (
    Declaration,
    Decorator,
    File,
    Function,
    Module,
    Output,
    Parameter,
    Resource,
    Scalar,
    Type,
    TypeAlias,
    Variable,
)
from .expressions import Array, Call, literal
from .reading import NotUnderstood, expression, nested_resource, text
from .syntax import Problem, comments, line_of, named, parse, syntax_problems, text_of

MAIN = "main.bicep"
PARAMETERS = "main.parameters.json"


@dataclass(frozen=True)
class Template:
    """``files`` by path, relative to ``folder``; ``given``: main.parameters.json, by name."""

    folder: Path
    files: dict[str, File]
    given: dict[str, Any]

    @property
    def main(self) -> File:
        return self.files[MAIN]

    def used_by(self, file: File, module: Module) -> File | None:
        """The file that a module's path names, None when there is none."""
        parts: list[str] = []
        for part in (PurePosixPath(file.path).parent / module.path).parts:
            if part == ".." and parts:
                parts.pop()
            else:
                parts.append(part)
        return self.files.get("/".join(parts))

    def resources(self) -> Iterator[tuple[File, Resource]]:
        return ((file, one) for file in self.files.values() for one in file.all(Resource))

    def line_given(self, name: str) -> int:
        """The line of a parameter in main.parameters.json."""
        lines = (self.folder / PARAMETERS).read_text().splitlines()
        found = (number for number, line in enumerate(lines, 1) if json.dumps(name) in line)
        return next(found, 1)


def read_template(folder: Path) -> tuple[Template, list[Problem]]:
    """All that is under ``folder``; with syntax that is wrong, nothing of that file is read."""
    files: dict[str, File] = {}
    problems: list[Problem] = []
    for path in sorted(folder.rglob("*.bicep")):
        name = path.relative_to(folder).as_posix()
        file, found = _read(name, path.read_text())
        files[name] = file
        problems += found
    document = json.loads((folder / PARAMETERS).read_text())
    return Template(folder, files, document["parameters"]), problems


@cache
def _read(path: str, content: str) -> tuple[File, tuple[Problem, ...]]:
    """Remembered, because of many copies that differ in one file each only that one is new."""
    root = parse(content)
    found = tuple(syntax_problems(path, root))
    if found:
        return File(path, "", ()), found
    try:
        return _file(path, root), ()
    except NotUnderstood as error:
        return File(path, "", ()), (Problem(path, error.line, str(error)),)


def _file(path: str, root: Node) -> File:
    scope = "resourceGroup"
    found: list[Declaration] = []
    decorators: tuple[Decorator, ...] = ()
    for node in named(root):
        if node.type == "target_scope_assignment":
            scope = text(named(node)[0]).literal or ""
        elif node.type == "decorators":
            decorators = tuple(_decorator(child) for child in named(node))
        elif node.type in _DECLARATIONS:
            found.append(_DECLARATIONS[node.type](node, decorators))
            decorators = ()
        elif node.type == "resource_declaration":
            found += _resources(node, decorators)
            decorators = ()
        else:
            raise NotUnderstood(node)
    return File(path, scope, tuple(found), comments(root))


def _decorator(node: Node) -> Decorator:
    called = expression(named(node)[0])
    if not isinstance(called, Call):
        raise NotUnderstood(node)
    return Decorator(line_of(node), called.function, called.arguments)


def _parameter(node: Node, decorators: tuple[Decorator, ...]) -> Parameter:
    name, kind, *default = named(node)
    type_ = _type(kind)
    allowed = next((one for one in decorators if one.name == "allowed"), None)
    if allowed and isinstance(allowed.arguments[0], Array):
        choices = tuple(literal(item) for item in allowed.arguments[0].items)
        type_ = Type(type_.kind, type_.nullable, choices)
    value = expression(default[0]) if default else None
    return Parameter(line_of(node), text_of(name), decorators, type_, value)


def _variable(node: Node, decorators: tuple[Decorator, ...]) -> Variable:
    name, value = named(node)
    return Variable(line_of(node), text_of(name), decorators, expression(value))


def _output(node: Node, decorators: tuple[Decorator, ...]) -> Output:
    name, kind, value = named(node)
    return Output(line_of(node), text_of(name), decorators, _type(kind), expression(value))


def _resources(
    node: Node, decorators: tuple[Decorator, ...], outer: Resource | None = None
) -> Iterator[Resource]:
    """A resource, and those declared inside it, which go by `outer::inner`."""
    name, kind, value = named(node)
    type_, _, version = (text(kind).literal or "").partition("@")
    one = Resource(
        line_of(node),
        f"{outer.name}::{text_of(name)}" if outer else text_of(name),
        decorators,
        f"{outer.type}/{type_}" if outer else type_,
        version or (outer.version if outer else ""),
        any(child.type == "existing" for child in node.children),
        expression(value),
    )
    yield one
    while value.type in ("if_statement", "for_statement"):
        value = named(value)[-1]
    for entry in named(value):
        inner = nested_resource(entry)
        if inner is not None:
            yield from _resources(inner, (), one)


def _module(node: Node, decorators: tuple[Decorator, ...]) -> Module:
    name, path, value = named(node)
    return Module(
        line_of(node), text_of(name), decorators, text(path).literal or "", expression(value)
    )


def _function(node: Node, decorators: tuple[Decorator, ...]) -> Function:
    name, parameters, _, value = named(node)
    names = tuple(text_of(named(parameter)[0]) for parameter in named(parameters))
    return Function(line_of(node), text_of(name), decorators, names, expression(value))


def _alias(node: Node, decorators: tuple[Decorator, ...]) -> TypeAlias:
    name, kind = named(node)
    return TypeAlias(line_of(node), text_of(name), decorators, _type(kind))


_DECLARATIONS: dict[str, Callable[[Node, tuple[Decorator, ...]], Declaration]] = {
    "parameter_declaration": _parameter,
    "variable_declaration": _variable,
    "output_declaration": _output,
    "module_declaration": _module,
    "user_defined_function": _function,
    "type_declaration": _alias,
}


def _type(node: Node) -> Type:
    inner = named(node)
    if node.type in ("type", "parenthesized_type", "nullable_type"):
        type_ = _type(inner[0])
        return replace(type_, nullable=type_.nullable or node.type == "nullable_type")
    if node.type in _KINDS:
        return Type(_KINDS[node.type] or text_of(node))
    if node.type == "union_type":
        return _union([_type(child) for child in inner])
    value = literal(expression(node))
    return Type(kind_of(value), nullable=value is None, choices=(value,))


# What a type's node says of its kind; where nothing, its text does.
_KINDS = {
    "primitive_type": "",
    "identifier": "",
    "array_type": "array",
    "array": "array",
    "object": "object",
}


def _union(types: list[Type]) -> Type:
    kinds = {type_.kind for type_ in types if type_.kind != "null"}
    choices = tuple(one for type_ in types for one in type_.choices if one is not None)
    nullable = any(type_.nullable for type_ in types)
    return Type(kinds.pop() if len(kinds) == 1 else "any", nullable, choices)


def kind_of(value: Scalar) -> str:
    names = {str: "string", bool: "bool", int: "int", type(None): "null"}
    return names[type(value)]
