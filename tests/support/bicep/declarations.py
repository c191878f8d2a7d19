"""What a Bicep file declares, as values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from .expressions import Condition, Expression, Loop, Object, Text, unwrapped

_D = TypeVar("_D", bound="Declaration")
Scalar = str | int | bool | None


@dataclass(frozen=True)
class Type:
    """``kind``: string, int, bool, array, object, any, or the name of another type."""

    kind: str
    nullable: bool = False
    choices: tuple[Scalar, ...] = ()


@dataclass(frozen=True)
class Decorator:
    line: int
    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Declaration:
    line: int
    name: str
    decorators: tuple[Decorator, ...]

    def decorator(self, name: str) -> Decorator | None:
        return next((one for one in self.decorators if one.name == name), None)

    @property
    def description(self) -> str:
        said = self.decorator("description")
        text = said.arguments[0] if said and said.arguments else None
        return text.literal or "" if isinstance(text, Text) else ""


@dataclass(frozen=True)
class Parameter(Declaration):
    type: Type
    default: Expression | None

    @property
    def required(self) -> bool:
        return self.default is None and not self.type.nullable

    @property
    def secure(self) -> bool:
        return self.decorator("secure") is not None

    @property
    def choices(self) -> tuple[Scalar, ...]:
        """What it may be, if that is listed: by its type or by `@allowed`."""
        return self.type.choices


@dataclass(frozen=True)
class TypeAlias(Declaration):
    type: Type


@dataclass(frozen=True)
class Variable(Declaration):
    value: Expression


@dataclass(frozen=True)
class Function(Declaration):
    parameters: tuple[str, ...]
    value: Expression


@dataclass(frozen=True)
class Resource(Declaration):
    """``type``: such as `Microsoft.Web/sites`; ``version``: its API's, a date."""

    type: str
    version: str
    existing: bool
    value: Expression

    @property
    def body(self) -> Object:
        return _body(self.value)

    @property
    def written_name(self) -> str | None:
        """Its name at Azure, if that is not computed."""
        name = self.body.get("name")
        return name.literal if isinstance(name, Text) else None

    @property
    def conditional(self) -> bool:
        return _is_conditional(self.value)


@dataclass(frozen=True)
class Module(Declaration):
    path: str
    value: Expression

    @property
    def body(self) -> Object:
        return _body(self.value)

    @property
    def conditional(self) -> bool:
        return _is_conditional(self.value)


@dataclass(frozen=True)
class Output(Declaration):
    type: Type
    value: Expression

    @property
    def secure(self) -> bool:
        return self.decorator("secure") is not None


@dataclass(frozen=True)
class File:
    """``path`` is relative to the folder checked; ``comments`` are by line."""

    path: str
    scope: str
    declarations: tuple[Declaration, ...]
    comments: dict[int, str] = field(default_factory=dict)

    def all(self, kind: type[_D]) -> Iterator[_D]:
        return (one for one in self.declarations if isinstance(one, kind))

    def named(self, kind: type[_D], name: str) -> _D | None:
        return next((one for one in self.all(kind) if one.name == name), None)

    def comment_above(self, line: int) -> str:
        """The comment lines right above ``line``, as one text."""
        found: list[str] = []
        while (line := line - 1) in self.comments:
            found.insert(0, self.comments[line].strip("/* \n"))
        return " ".join(found)


def values(declaration: Declaration) -> Iterator[Expression]:
    """The expressions that a declaration is made of, decorators left out."""
    if isinstance(declaration, Parameter):
        if declaration.default is not None:
            yield declaration.default
    elif isinstance(declaration, (Variable, Function, Resource, Module, Output)):
        yield declaration.value


def _body(value: Expression) -> Object:
    body = unwrapped(value)
    assert isinstance(body, Object), f"line {value.line}: an object was expected"
    return body


def _is_conditional(value: Expression) -> bool:
    while isinstance(value, Loop):
        value = value.body
    return isinstance(value, Condition)
