"""What a template would deploy: its expressions worked out, for one set of parameters.

Nothing is guessed: a construct, a function or an answer of Azure that is not known here is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .declarations import File, Module, Output, Parameter, Resource, Variable
from .expressions import (
    Array,
    Call,
    Choice,
    Condition,
    Expression,
    Index,
    Literal,
    Loop,
    Member,
    Name,
    Object,
    Operation,
    Text,
)
from .functions import ANSWERS, FUNCTIONS, OPERATORS, SUBSCRIPTION
from .template import Template

Local = Mapping[str, Any]
"""The variables of loops, by name."""

_WHERE = frozenset({"parent", "scope", "dependsOn"})


class Refused(Exception):
    """The template cannot be worked out: what stops it, and where."""


@dataclass(frozen=True)
class Deployed:
    """``parent`` names what it lies in, as `outer/inner`; ``body`` is what is sent.

    ``scope`` is the type of resource that a role or a lock is put on, if it is put on one.
    """

    type: str
    name: str
    parent: str
    body: dict[str, Any]
    scope: str = ""


@dataclass(frozen=True)
class Instance:
    """A Bicep file with the parameters that it is ``given``."""

    template: Template
    file: File
    given: Mapping[str, Any]

    def deployed(self) -> Iterator[Deployed]:
        """Every resource of this file and of the modules that it uses."""
        for resource in self.file.all(Resource):
            if not resource.existing:
                for body, local in self._bodies(resource.value, {}):
                    yield self._deployed(resource, body, local)
        for module in self.file.all(Module):
            for instance in self._instances(module):
                yield from instance.deployed()

    def outputs(self) -> dict[str, Any]:
        return {one.name: self.value(one.value) for one in self.file.all(Output)}

    def value(self, value: Expression, local: Local | None = None) -> Any:
        """:raises Refused: something in it is not known here."""
        reader = _READERS.get(type(value))
        if reader is None:
            raise self._refusal(value, f"{type(value).__name__} cannot be worked out here")
        return reader(self, value, local or {})

    def _text(self, value: Text, local: Local) -> str:
        return "".join(self._piece(piece, local) for piece in value.pieces)

    def _piece(self, piece: str | Expression, local: Local) -> str:
        return piece if isinstance(piece, str) else str(self.value(piece, local))

    def _object(self, value: Object, local: Local) -> dict[str, Any]:
        return {
            self.value(entry.name, local): self.value(entry.value, local)
            for entry in value.properties
        }

    def _array(self, value: Array, local: Local) -> list[Any]:
        return [self.value(item, local) for item in value.items]

    def _loop(self, value: Loop, local: Local) -> list[Any]:
        return [self.value(body, inner) for body, inner in self._bodies(value, local)]

    def _choice(self, value: Choice, local: Local) -> Any:
        truth = self.value(value.condition, local)
        return self.value(value.then if truth else value.otherwise, local)

    def _index(self, value: Index, local: Local) -> Any:
        return self.value(value.of, local)[self.value(value.index, local)]

    def _bodies(self, value: Expression, local: Local) -> Iterator[tuple[Expression, Local]]:
        """What `for` and `if` leave, with the variables of the loops."""
        if isinstance(value, Loop):
            for index, item in enumerate(self.value(value.over, local)):
                inner = dict(zip(value.variables, (item, index), strict=False))
                yield from self._bodies(value.body, {**local, **inner})
        elif isinstance(value, Condition):
            if self.value(value.condition, local):
                yield from self._bodies(value.body, local)
        else:
            yield value, local

    def _deployed(self, resource: Resource, body: Expression, local: Local) -> Deployed:
        assert isinstance(body, Object)
        sent = {
            self.value(entry.name, local): self.value(entry.value, local)
            for entry in body.properties
            if entry.key not in _WHERE
        }
        scope = body.get("scope")
        held = self.file.named(Resource, scope.name) if isinstance(scope, Name) else None
        kind = held.type if held else ""
        return Deployed(resource.type, sent["name"], self._place(resource), sent, kind)

    def _place(self, resource: Resource) -> str:
        """The names of the resources that it lies in, from the outermost on."""
        parent = resource.body.get("parent")
        outer = parent.name if isinstance(parent, Name) else resource.name.rpartition("::")[0]
        around = self.file.named(Resource, outer)
        return f"{self._place(around)}/{self._name(around)}".lstrip("/") if around else ""

    def _name(self, resource: Resource) -> str:
        name = resource.body.get("name")
        assert name is not None, f"{resource.name} has no name"
        return str(self.value(name))

    def _instances(self, module: Module) -> list[Instance]:
        target = self.template.used_by(self.file, module)
        assert target is not None, f"{module.path} is missing"
        found = []
        for body, local in self._bodies(module.value, {}):
            assert isinstance(body, Object)
            params = body.get("params")
            given = self.value(params, local) if params else {}
            found.append(Instance(self.template, target, given))
        return found

    def _symbol(self, name: Name, local: Local) -> Any:
        if name.name in local:
            return local[name.name]
        parameter = self.file.named(Parameter, name.name)
        if parameter is not None:
            given = self.given.get(name.name)
            if given is not None or parameter.default is None:
                return given
            return self.value(parameter.default)
        variable = self.file.named(Variable, name.name)
        if variable is not None:
            return self.value(variable.value)
        raise self._refusal(name, f"{name.name} has no value by itself")

    def _member(self, value: Member, local: Local) -> Any:
        path = [value.name]
        of = value.of
        while isinstance(of, Member):
            path.insert(0, of.name)
            of = of.of
        if isinstance(of, Name) and of.name not in local:
            resource = self.file.named(Resource, of.name)
            if resource is not None:
                return self._answer(value, resource, ".".join(path))
            module = self.file.named(Module, of.name)
            if module is not None and path[0] == "outputs" and len(path) == 2:
                return self._output(value, module)
        holder = self.value(value.of, local)
        if value.name not in holder:
            raise self._refusal(value, f"there is no {value.name}")
        return holder[value.name]

    def _answer(self, where: Expression, resource: Resource, path: str) -> Any:
        name = self._name(resource)
        if path == "name":
            return name
        if path == "id":
            return f"{SUBSCRIPTION}/providers/{resource.type}/{name}"
        if not resource.existing and not list(self._bodies(resource.value, {})):
            raise self._refusal(where, f"{resource.name} is not deployed, and read all the same")
        if (resource.type, path) not in ANSWERS:
            raise self._refusal(where, f"what {resource.type} has as {path} is not in ANSWERS")
        return ANSWERS[resource.type, path].format(name=name)

    def _output(self, where: Member, module: Module) -> Any:
        instances = self._instances(module)
        if not instances:
            raise self._refusal(where, f"{module.name} is not deployed, and read all the same")
        output = instances[0].file.named(Output, where.name)
        assert output is not None, f"{module.path} has no output {where.name}"
        return instances[0].value(output.value)

    def _operation(self, value: Operation, local: Local) -> Any:
        first, *rest = value.operands
        left = self.value(first, local)
        if value.operator == "&&":
            return left and self.value(rest[0], local)
        if value.operator == "||":
            return left or self.value(rest[0], local)
        if value.operator == "??":
            return left if left is not None else self.value(rest[0], local)
        if value.operator not in OPERATORS:
            raise self._refusal(value, f"{value.operator} cannot be worked out here")
        return OPERATORS[value.operator](left, *(self.value(one, local) for one in rest))

    def _call(self, call: Call, local: Local) -> Any:
        arguments = [self.value(argument, local) for argument in call.arguments]
        if call.function == "loadJsonContent":
            folder = (self.template.folder / self.file.path).parent
            return json.loads((folder / arguments[0]).read_text())
        if call.function not in FUNCTIONS:
            raise self._refusal(call, f"{call.function}() cannot be worked out here")
        return FUNCTIONS[call.function](*arguments)

    def _refusal(self, where: Expression, message: str) -> Refused:
        return Refused(f"{self.file.path}:{where.line}: {message}")


_READERS: dict[type[Expression], Callable[[Instance, Any, Local], Any]] = {
    Array: Instance._array,
    Call: Instance._call,
    Choice: Instance._choice,
    Index: Instance._index,
    Literal: lambda _instance, value, _local: value.value,
    Loop: Instance._loop,
    Member: Instance._member,
    Name: Instance._symbol,
    Object: Instance._object,
    Operation: Instance._operation,
    Text: Instance._text,
}
