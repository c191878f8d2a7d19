"""Which kind of value an expression has, as far as that can be seen without running it."""

from __future__ import annotations

from collections.abc import Iterator

from .declarations import File, Module, Output, Parameter, Scalar, Type, TypeAlias, Variable
from .expressions import (
    Array,
    Call,
    Choice,
    Expression,
    Index,
    Literal,
    Loop,
    Member,
    Name,
    Object,
    Operation,
    Text,
    literal,
)
from .template import Template, kind_of

_CALLS = {
    "string": (
        "base64 base64ToString cidrHost cidrSubnet format guid join newGuid padLeft replace "
        "resourceId string subscriptionResourceId substring toLower toUpper trim uniqueString "
        "uri uriComponent utcNow loadTextContent"
    ),
    "int": "indexOf int length",
    "bool": "contains empty endsWith startsWith",
    "array": "array filter flatten items map objectKeys range sort split",
    "object": "toObject",
}
_KIND_OF_CALL = {name: kind for kind, names in _CALLS.items() for name in names.split()}
_PLAIN = {Text: "string", Object: "object", Array: "array", Loop: "array"}
EMPTY: frozenset[str] = frozenset()
_TRUTHS = frozenset({"==", "!=", "<", ">", "<=", ">=", "&&", "||", "!", "=~", "!~"})
_NUMBERS = frozenset({"+", "-", "*", "/", "%"})


def resolved(file: File, type_: Type) -> Type:
    """What an alias stands for."""
    alias = file.named(TypeAlias, type_.kind)
    if alias is None:
        return type_
    inner = resolved(file, alias.type)
    return Type(inner.kind, inner.nullable or type_.nullable, inner.choices)


def kinds(template: Template, file: File, value: Expression) -> frozenset[str]:
    """The kinds that ``value`` can have; none when nothing can be said."""
    if type(value) in _PLAIN:
        return frozenset({_PLAIN[type(value)]})
    found = EMPTY
    if isinstance(value, Literal):
        found = frozenset({kind_of(value.value)})
    elif isinstance(value, Choice):
        found = _either(template, file, (value.then, value.otherwise))
    elif isinstance(value, Operation):
        found = _of_operation(template, file, value)
    elif isinstance(value, Call) and value.function in _KIND_OF_CALL:
        found = frozenset({_KIND_OF_CALL[value.function]})
    elif isinstance(value, Name):
        found = _of_name(template, file, value.name)
    elif isinstance(value, Member):
        found = _of_output(template, file, value)
    return found


def _either(template: Template, file: File, ways: tuple[Expression, ...]) -> frozenset[str]:
    found = [kinds(template, file, way) for way in ways]
    return frozenset[str]().union(*found) if all(found) else EMPTY


def _of_operation(template: Template, file: File, value: Operation) -> frozenset[str]:
    if value.operator == "??":
        return _either(template, file, value.operands) - {"null"}
    if value.operator in _TRUTHS:
        return frozenset({"bool"})
    return frozenset({"int"}) if value.operator in _NUMBERS else EMPTY


def _of_name(template: Template, file: File, name: str) -> frozenset[str]:
    variable = file.named(Variable, name)
    if variable is not None:
        return kinds(template, file, variable.value)
    parameter = file.named(Parameter, name)
    return _of_type(resolved(file, parameter.type)) if parameter else EMPTY


def _of_output(template: Template, file: File, value: Member) -> frozenset[str]:
    output = output_of(template, file, value)
    return _of_type(output.type) if output else EMPTY


def _of_type(type_: Type) -> frozenset[str]:
    if type_.kind == "any":
        return EMPTY
    return frozenset({type_.kind, "null"} if type_.nullable else {type_.kind})


def module_of(file: File, value: Member) -> Module | None:
    """The module whose output ``value`` names, as in ``module.outputs.name``."""
    holder = value.of
    if not isinstance(holder, Member) or holder.name != "outputs":
        return None
    return module_named(file, holder.of)


def module_named(file: File, value: Expression) -> Module | None:
    """The module that ``value`` is, or is one of."""
    while isinstance(value, Index):
        value = value.of
    return file.named(Module, value.name) if isinstance(value, Name) else None


def output_of(template: Template, file: File, value: Member) -> Output | None:
    module = module_of(file, value)
    used = template.used_by(file, module) if module else None
    return used.named(Output, value.name) if used else None


def literals(value: Expression) -> Iterator[tuple[int, Scalar]]:
    """What is written out in ``value`` or in one of its branches, with its line."""
    if isinstance(value, Choice):
        yield from literals(value.then)
        yield from literals(value.otherwise)
    elif isinstance(value, Literal) or (isinstance(value, Text) and value.literal is not None):
        yield value.line, literal(value)
