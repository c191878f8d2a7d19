"""Names: every one that is used is declared, and every one that is declared is used."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator

from .declarations import (
    Declaration,
    File,
    Function,
    Parameter,
    Resource,
    TypeAlias,
    Variable,
    values,
)
from .expressions import Call, Expression, Lambda, Loop, Name
from .syntax import Problem
from .template import Template

# Microsoft Learn, "Bicep functions": those that these tests have met or expect.
_FUNCTIONS = """
any array base64 base64ToString cidrHost cidrSubnet concat contains dateTimeAdd deployment empty
endsWith environment extensionResourceId fail filter first flatten format guid indexOf int
intersection items join json last length loadFileAsBase64 loadJsonContent loadTextContent
loadYamlContent managementGroup map mapValues max min newGuid nonNull objectKeys padLeft parseCidr
range reduce replace resourceGroup resourceId skip sort split startsWith string subscription
subscriptionResourceId substring take tenant tenantResourceId toLower toObject toUpper trim tryGet
union uniqueString uri uriComponent utcNow
"""
_DECORATORS = """
allowed batchSize description discriminator export maxLength maxValue metadata minLength minValue
sealed secure
"""
FUNCTIONS = frozenset(_FUNCTIONS.split())
DECORATORS = frozenset(_DECORATORS.split())
NAMESPACES = frozenset({"az", "sys"})
TYPES = frozenset({"string", "int", "bool", "array", "object", "any", "null"})
_ONCE_USED = (Parameter, Variable, Function, TypeAlias)


def symbol_problems(template: Template) -> Iterator[Problem]:
    for file in template.files.values():
        yield from _twice(file)
        yield from _unknown(file)
        yield from _unknown_words(file)
        yield from _unused(file)


def nearest(name: str, known: Iterable[str]) -> str:
    """For a message: what may be meant."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"{close[0]} is meant?"
    return f"there are: {', '.join(names)}" if names else "there are none"


def _twice(file: File) -> Iterator[Problem]:
    counts = Counter(one.name for one in file.declarations if type(one).__name__ != "Output")
    for one in file.declarations:
        if counts[one.name] > 1:
            counts[one.name] = 0
            yield Problem(file.path, one.line, f"{one.name} is declared twice: rename one")


def _unknown(file: File) -> Iterator[Problem]:
    known = frozenset(
        one.name for one in file.declarations if type(one).__name__ not in ("Output", "TypeAlias")
    )
    for one in file.declarations:
        inside = known | frozenset(one.parameters) if isinstance(one, Function) else known
        for value in values(one):
            for used in free_names(value):
                if used.name not in inside | NAMESPACES:
                    message = f"{used.name} is not declared; {nearest(used.name, inside)}"
                    yield Problem(file.path, used.line, message)


def free_names(value: Expression, bound: frozenset[str] = frozenset()) -> Iterator[Name]:
    """Names used in ``value``, without the variables of loops and lambdas inside it."""
    if isinstance(value, Name):
        if value.name not in bound:
            yield value
        return
    if isinstance(value, Loop):
        yield from free_names(value.over, bound)
        yield from free_names(value.body, bound | frozenset(value.variables))
        return
    inner = bound | frozenset(value.variables) if isinstance(value, Lambda) else bound
    for part in value.parts():
        yield from free_names(part, inner)


def _unknown_words(file: File) -> Iterator[Problem]:
    functions = FUNCTIONS | {one.name for one in file.all(Function)}
    types = TYPES | {one.name for one in file.all(TypeAlias)}
    for one in file.declarations:
        for decorator in one.decorators:
            if decorator.name not in DECORATORS:
                message = (
                    f"@{decorator.name} is no decorator; {nearest(decorator.name, DECORATORS)}"
                )
                yield Problem(file.path, decorator.line, message)
        kind = getattr(one, "type", None)
        if kind is not None and not isinstance(one, Resource) and kind.kind not in types:
            message = f"{kind.kind} is no type; {nearest(kind.kind, types)}"
            yield Problem(file.path, one.line, message)
        for call in (part for value in values(one) for part in value.walk()):
            if isinstance(call, Call) and not _is_method(call) and call.function not in functions:
                message = f"{call.function}() is unknown; {nearest(call.function, functions)}"
                yield Problem(file.path, call.line, message)


def _is_method(call: Call) -> bool:
    """Called on a resource: there, each type of resource has functions of its own."""
    return call.of is not None and not (isinstance(call.of, Name) and call.of.name in NAMESPACES)


def _unused(file: File) -> Iterator[Problem]:
    used = {name for one in file.declarations for name in _mentioned(one)}
    for one in file.declarations:
        must = isinstance(one, _ONCE_USED) or (isinstance(one, Resource) and one.existing)
        if must and one.name not in used and not one.decorator("export"):
            message = f"{one.name} is declared and not used: use it or remove it"
            yield Problem(file.path, one.line, message)


def _mentioned(one: Declaration) -> Iterator[str]:
    kind = getattr(one, "type", None)
    if kind is not None and not isinstance(one, Resource):
        yield kind.kind
    for value in values(one):
        yield from (part for name in free_names(value) for part in _with_outer(name.name))
        yield from (part.function for part in value.walk() if isinstance(part, Call))


def _with_outer(name: str) -> Iterator[str]:
    """`a::b` uses `a` as well."""
    parts = name.split("::")
    return ("::".join(parts[:end]) for end in range(1, len(parts) + 1))
