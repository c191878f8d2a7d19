"""What a REST body may hold, read from the models in Azure's management packages.

Two generations of generated models are read: those whose attributes are REST fields
(`_attr_to_rest_field`), and older ones with a map of paths (`_attribute_map`), in which
``properties.x`` is `x` inside `properties`.
"""

from __future__ import annotations

import enum
import functools
import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

_SCALARS = {str: "string", bool: "bool", int: "int", float: "int"}
_DOT = re.compile(r"(?<!\\)\.")  # in the older maps, dots that belong to a name are escaped


@dataclass(frozen=True)
class Field:
    """``kind``: string, int, bool, object, array, map (of any names) or any.

    ``inner``: the fields of an object; or, by the name ``*``, what an array or a map holds.
    ``model``: the class whose shape the object has, looked at when it is asked for.
    """

    kind: str
    choices: frozenset[str] = frozenset()
    read_only: bool = False
    required: bool = False
    inner: Mapping[str, Field] | None = None
    model: type | None = None

    @property
    def fields(self) -> Mapping[str, Field]:
        if self.model is not None:
            return fields_of(self.model)
        return self.inner or {}

    @property
    def item(self) -> Field:
        """What an array or a map holds: anything, where nothing is said of it."""
        return self.fields.get("*", ANY)


ANY = Field("any")


@functools.cache
def fields_of(model: type) -> Mapping[str, Field]:
    """By REST name. What its subclasses add is counted in: a value tells which of them is meant."""
    found: dict[str, Field] = {}
    for path, field in _paths(model):
        _put(found, path, field)
    for child in _subclasses(model):
        found = {**fields_of(child), **found}
    return found


def written(paths: Mapping[str, str], required: str = "") -> Field:
    """A shape written by hand: ``{"properties.level": "string"}``."""
    found: dict[str, Field] = {}
    for path, kind in paths.items():
        _put(found, path.split("."), Field(kind, required=path in required.split()))
    return Field("object", inner=found)


def _put(found: dict[str, Field], path: list[str], field: Field) -> None:
    first, *rest = path
    if not rest:
        found[first] = field
        return
    inner = dict(found[first].fields) if first in found else {}
    _put(inner, rest, field)
    found[first] = Field("object", inner=inner)


def _paths(model: type) -> Iterator[tuple[list[str], Field]]:
    """Each field with the names that lead to it."""
    if hasattr(model, "_attribute_map"):
        hints = _hints(model.__init__)  # type: ignore[misc]
        rules = getattr(model, "_validation", {})
        for name, entry in model._attribute_map.items():
            if not entry["key"] or entry["type"] == "{object}":
                continue
            rule = rules.get(name, {})
            field = _field(hints.get(name, Any))
            path = [part.replace("\\.", ".") for part in _DOT.split(entry["key"])]
            read_only, required = rule.get("readonly", False), rule.get("required", False)
            yield path, replace(field, read_only=read_only, required=required)
        return
    fields = typing.cast("Any", model)()._attr_to_rest_field
    hints = _hints(model)
    for name, rest in fields.items():
        hint = hints.get(name, Any)
        read_only = rest._visibility == ["read"]
        required = not read_only and type(None) not in typing.get_args(hint) and hint is not Any
        field = _field(hint)
        yield [rest._rest_name], replace(field, read_only=read_only, required=required)


def _subclasses(model: type) -> Iterator[type]:
    """The kinds of a model that are told apart by a value in it."""
    mapped = getattr(model, "_subtype_map", {})
    models = sys.modules[model.__module__.rpartition(".")[0]]
    for by_value in mapped.values():
        yield from (getattr(models, name) for name in by_value.values())
    for child in getattr(model, "__mapping__", {}).values():
        if child is not model and issubclass(child, model):
            yield child


def _hints(thing: Any) -> dict[str, Any]:
    """Types by attribute. The packages call their models `_models`, without importing them."""
    models = sys.modules[thing.__module__.rpartition(".")[0]]
    return typing.get_type_hints(thing, localns={"_models": models})


def _field(hint: Any) -> Field:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _of_union([one for one in arguments if one is not type(None)])
    if origin is list:
        return Field("array", inner={"*": _field(arguments[0])})
    if origin is dict:
        return Field("map", inner={"*": _field(arguments[1])})
    return _of_class(hint) if isinstance(hint, type) else ANY


def _of_class(hint: type) -> Field:
    if issubclass(hint, enum.Enum):
        return Field("string", frozenset(str(one.value) for one in hint))
    if hasattr(hint, "_attribute_map") or hasattr(hint, "_is_model"):
        return Field("object", model=hint)
    return Field(_SCALARS[hint]) if hint in _SCALARS else ANY


def _of_union(ways: list[Any]) -> Field:
    """Text with known values is `str | TheEnum`."""
    fields = [_field(way) for way in ways]
    kinds = {field.kind for field in fields}
    if len(kinds) != 1:
        return ANY
    if kinds == {"string"}:
        return Field("string", frozenset[str]().union(*(field.choices for field in fields)))
    return fields[0]
