"""Bicep's expressions as values, each with the line on which it begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Expression:
    line: int

    def parts(self) -> Iterator[Expression]:
        """The expressions right inside this one."""
        for value in vars(self).values():
            yield from _expressions(value)

    def walk(self) -> Iterator[Expression]:
        """Itself and all inside it, however deep."""
        yield self
        for part in self.parts():
            yield from part.walk()


@dataclass(frozen=True)
class Text(Expression):
    """A string: text and, where it has ``${...}``, expressions."""

    pieces: tuple[str | Expression, ...]

    @property
    def literal(self) -> str | None:
        """The whole of it, if nothing in it is computed."""
        if all(isinstance(piece, str) for piece in self.pieces):
            return "".join(str(piece) for piece in self.pieces)
        return None


@dataclass(frozen=True)
class Literal(Expression):
    """A number, `true`, `false` or `null`."""

    value: int | bool | None


@dataclass(frozen=True)
class Property(Expression):
    name: Text
    value: Expression

    @property
    def key(self) -> str:
        """Its name; computed parts as ``*``."""
        return "".join(piece if isinstance(piece, str) else "*" for piece in self.name.pieces)


@dataclass(frozen=True)
class Object(Expression):
    properties: tuple[Property, ...]

    def get(self, *path: str) -> Expression | None:
        """What a property of this object, or of objects in it, holds; None where there is none."""
        found: Expression = self
        for name in path:
            if not isinstance(found, Object):
                return None
            values = [entry.value for entry in found.properties if entry.key == name]
            if not values:
                return None
            found = values[0]
        return found


@dataclass(frozen=True)
class Array(Expression):
    items: tuple[Expression, ...]


@dataclass(frozen=True)
class Name(Expression):
    """A symbol: parameter, variable, resource (``outer::inner``), module, or loop variable."""

    name: str


@dataclass(frozen=True)
class Member(Expression):
    """``of.name`` or ``of.?name``."""

    of: Expression
    name: str


@dataclass(frozen=True)
class Index(Expression):
    of: Expression
    index: Expression


@dataclass(frozen=True)
class Call(Expression):
    """``function(...)``, or ``of.function(...)``."""

    of: Expression | None
    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Operation(Expression):
    """One or two operands around an operator."""

    operator: str
    operands: tuple[Expression, ...]


@dataclass(frozen=True)
class Choice(Expression):
    """``condition ? then : otherwise``."""

    condition: Expression
    then: Expression
    otherwise: Expression


@dataclass(frozen=True)
class Condition(Expression):
    """``if (condition) {...}`` of a resource or module."""

    condition: Expression
    body: Expression


@dataclass(frozen=True)
class Loop(Expression):
    """``[for variable in over: body]``; with ``(item, index)`` there are two variables."""

    variables: tuple[str, ...]
    over: Expression
    body: Expression


@dataclass(frozen=True)
class Lambda(Expression):
    variables: tuple[str, ...]
    body: Expression


def unwrapped(value: Expression) -> Expression:
    """What stands inside `for` and `if`."""
    while isinstance(value, (Loop, Condition)):
        value = value.body
    return value


def literal(value: Expression | None) -> str | int | bool | None:
    """The value of what is written out, None for what is computed, or is not there."""
    if isinstance(value, Text):
        return value.literal
    return value.value if isinstance(value, Literal) else None


def _expressions(value: Any) -> Iterator[Expression]:
    if isinstance(value, Expression):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _expressions(item)
