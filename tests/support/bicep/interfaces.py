"""What modules are given and what they give back; and what main.parameters.json gives."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .declarations import Decorator, File, Module, Output, Parameter, Scalar, Type, values
from .expressions import Expression, Member, Object, literal
from .kinds import kinds, literals, module_named, module_of, output_of, resolved
from .symbols import nearest
from .syntax import Problem
from .template import MAIN, PARAMETERS, Template, kind_of

_MODULE_PROPERTIES = frozenset({"name", "params", "scope", "dependsOn"})
_READ_OF_MODULES = frozenset({"name", "outputs"})
_AZD_VALUE = re.compile(r"\$\{[A-Z][A-Z0-9_]*(=[^}]*)?\}")


def interface_problems(template: Template) -> Iterator[Problem]:
    used = {MAIN}
    for file in template.files.values():
        for module in file.all(Module):
            target = template.used_by(file, module)
            if target is None:
                message = f"there is no file {module.path}; {nearest(module.path, template.files)}"
                yield Problem(file.path, module.line, message)
                continue
            used.add(target.path)
            yield from _module(template, file, module, target)
        yield from _same_names(file)
        yield from _outputs_used(template, file)
        yield from _declared(template, file)
    for path in sorted(set(template.files) - used):
        yield Problem(path, 1, "no module uses this file: use it or remove it")
    yield from _parameters_file(template)


def _module(template: Template, file: File, module: Module, target: File) -> Iterator[Problem]:
    for entry in module.body.properties:
        if entry.key not in _MODULE_PROPERTIES:
            message = f"a module has no {entry.key}; {nearest(entry.key, _MODULE_PROPERTIES)}"
            yield Problem(file.path, entry.line, message)
    if target.scope != file.scope and module.body.get("scope") is None:
        message = f"{module.name} needs a scope: {target.path} is for a {target.scope}"
        yield Problem(file.path, module.line, message)
    params = module.body.get("params")
    given = params.properties if isinstance(params, Object) else ()
    wanted = {one.name: one for one in target.all(Parameter)}
    for entry in given:
        if entry.key in wanted:
            yield from _fits(template, (file, target), wanted[entry.key], entry.value)
        else:
            message = f"{target.path} has no parameter {entry.key}; {nearest(entry.key, wanted)}"
            yield Problem(file.path, entry.line, message)
    for name in sorted(wanted.keys() - {entry.key for entry in given}):
        if wanted[name].required:
            message = f"{module.name} must be given {name}: {target.path} requires it"
            yield Problem(file.path, module.line, message)


def _same_names(file: File) -> Iterator[Problem]:
    """A module's name is its deployment's: of two in one group, one would replace the other."""
    seen: dict[object, Module] = {}
    for module in file.all(Module):
        name = literal(module.body.get("name"))
        if name is not None and name in seen:
            message = f"{module.name} is deployed as {name}, as {seen[name].name} is: rename it"
            yield Problem(file.path, module.line, message)
        seen[name] = module


def _fits(
    template: Template, places: tuple[File, File], wanted: Parameter, value: Expression
) -> Iterator[Problem]:
    """``places``: where the value is written, and where the parameter is declared."""
    here, there = places
    type_ = resolved(there, wanted.type)
    found = kinds(template, here, value)
    if not _kind_fits(type_, found, optional=wanted.default is not None):
        message = f"{wanted.name} must be {type_.kind}, not {' or '.join(sorted(found))}"
        yield Problem(here.path, value.line, message)
    for line, one in literals(value):
        for message in _value_problems(wanted, type_, one):
            yield Problem(here.path, line, message)


def _kind_fits(type_: Type, found: frozenset[str], *, optional: bool) -> bool:
    """A parameter with a default may be given null: then it takes its default."""
    allowed = {type_.kind} | ({"null"} if type_.nullable or optional else set())
    return type_.kind == "any" or found <= allowed


def _value_problems(wanted: Parameter, type_: Type, value: Scalar) -> Iterator[str]:
    if value is None:
        return
    if type_.choices and value not in type_.choices:
        listed = ", ".join(str(choice) for choice in type_.choices)
        yield f"{wanted.name} must be one of {listed}; not {value!r}"
    size = len(value) if isinstance(value, str) else value
    for decorator in wanted.decorators:
        bound = _bound(decorator)
        if bound is not None and decorator.name.startswith("min") and size < bound:
            yield f"{wanted.name} is below its {decorator.name}, {bound}: {value!r}"
        if bound is not None and decorator.name.startswith("max") and size > bound:
            yield f"{wanted.name} is above its {decorator.name}, {bound}: {value!r}"


def _bound(decorator: Decorator) -> int | None:
    if decorator.name not in ("minValue", "maxValue", "minLength", "maxLength"):
        return None
    value = literal(decorator.arguments[0])
    return value if isinstance(value, int) else None


def _outputs_used(template: Template, file: File) -> Iterator[Problem]:
    members = (
        part
        for one in file.declarations
        for whole in values(one)
        for part in whole.walk()
        if isinstance(part, Member)
    )
    for value in members:
        if module_named(file, value.of) and value.name not in _READ_OF_MODULES:
            message = f"a module has no {value.name}; {nearest(value.name, _READ_OF_MODULES)}"
            yield Problem(file.path, value.line, message)
        module = module_of(file, value)
        target = template.used_by(file, module) if module else None
        if target and output_of(template, file, value) is None:
            names = [one.name for one in target.all(Output)]
            message = f"{target.path} has no output {value.name}; {nearest(value.name, names)}"
            yield Problem(file.path, value.line, message)


def _declared(template: Template, file: File) -> Iterator[Problem]:
    """Defaults and outputs are of the types that they are declared with."""
    for parameter in file.all(Parameter):
        if parameter.default is not None:
            yield from _fits(template, (file, file), parameter, parameter.default)
    for output in file.all(Output):
        type_ = resolved(file, output.type)
        found = kinds(template, file, output.value)
        if not _kind_fits(type_, found, optional=False):
            message = f"output {output.name} must be {type_.kind}, not {' or '.join(sorted(found))}"
            yield Problem(file.path, output.line, message)


def _parameters_file(template: Template) -> Iterator[Problem]:
    wanted = {one.name: one for one in template.main.all(Parameter)}
    for name, entry in template.given.items():
        line = template.line_given(name)
        if name not in wanted:
            message = f"{MAIN} has no parameter {name}; {nearest(name, wanted)}"
            yield Problem(PARAMETERS, line, message)
            continue
        if set(entry) != {"value"}:
            yield Problem(PARAMETERS, line, f"{name} must have a value, and nothing beside it")
            continue
        for message in _given_problems(template.main, wanted[name], entry["value"]):
            yield Problem(PARAMETERS, line, message)
    for name in sorted(wanted.keys() - template.given.keys()):
        if wanted[name].required:
            yield Problem(PARAMETERS, 1, f"{name} must be given: {MAIN} requires it")


def _given_problems(main: File, wanted: Parameter, value: object) -> Iterator[str]:
    """``${NAME}`` and ``${NAME=default}`` are filled in by azd from its environment, as text.

    Then it reads numbers and truths from such text (azd, `armParameterFileValue`).
    """
    type_ = resolved(main, wanted.type)
    if isinstance(value, str) and "${" in value:
        if not _AZD_VALUE.fullmatch(value):
            yield f"{wanted.name}: azd knows ${{NAME}} and ${{NAME=default}}, not {value!r}"
        elif type_.kind in ("array", "object"):
            yield f"{wanted.name} is an {type_.kind}: azd fills in text, numbers and truths alone"
        elif "=" not in value and wanted.default is not None and literal(wanted.default) != "":
            yield f"{wanted.name} would be given '' where nothing is set: say ${{NAME=default}}"
        return
    if isinstance(value, (str, int, bool)) and not type_.choices and kind_of(value) != type_.kind:
        yield f"{wanted.name} must be {type_.kind}, not {kind_of(value)}"
    if isinstance(value, (str, int, bool)):
        yield from _value_problems(wanted, type_, value)
