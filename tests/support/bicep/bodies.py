"""Bodies as they would be sent, against the REST models: also what only parameters bring in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .catalogue import body_of
from .deployment import Deployed
from .shapes import Field

_BESIDES = frozenset({"name"})
_KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "int": (int, float),
    "bool": bool,
    "object": dict,
    "map": dict,
    "array": list,
}


def body_problems(one: Deployed) -> Iterator[str]:
    """What Azure would refuse of a resource that is sent."""
    field = body_of(one.type, one.name)
    assert field is not None, f"no model of {one.type}"
    sent = {name: value for name, value in one.body.items() if name not in _BESIDES}
    return _problems(sent, field, one.type)


def _problems(value: Any, field: Field, path: str) -> Iterator[str]:
    """``null`` is as if it were not there."""
    if value is None or field.kind == "any":
        return
    if not isinstance(value, _KINDS[field.kind]) or (
        isinstance(value, bool) and field.kind != "bool"
    ):
        yield f"{path} must be {field.kind}, not {value!r}"
    elif isinstance(value, str) and field.choices and value not in field.choices:
        yield f"{path} cannot be {value!r}; there are: {', '.join(sorted(field.choices))}"
    elif isinstance(value, list):
        for item in value:
            yield from _problems(item, field.item, f"{path}[]")
    elif isinstance(value, dict):
        for name, inner in value.items():
            known = field.item if field.kind == "map" else field.fields.get(name)
            if known is None:
                yield f"{path} has no {name}"
            else:
                yield from _problems(inner, known, f"{path}.{name}")
