"""What is secret stays secret: it goes into the vault, and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .declarations import File, Module, Output, Parameter, Resource, Variable, values
from .expressions import Call, Choice, Condition, Expression, Name, Object, Operation, literal
from .syntax import Problem
from .template import PARAMETERS, Template

_VAULT_SECRET = "Microsoft.KeyVault/vaults/secrets"
_LOOKS_SECRET = re.compile(r"password|secret|(signing|account|access|private)_?key", re.IGNORECASE)
_LISTS = re.compile(r"list[A-Z]\w*")  # listKeys, listAccountSas and their like
_ONLY_ASKED = frozenset({"empty", "length"})


def secret_problems(template: Template) -> Iterator[Problem]:
    for file in template.files.values():
        secret = _secret_names(file)
        yield from _parameters(file)
        for output in file.all(Output):
            for name in _handed_on(output.value, secret):
                message = f"{name} is secret: output {output.name} would show it in the deployment"
                yield Problem(file.path, output.line, message)
        for resource in file.all(Resource):
            if resource.type != _VAULT_SECRET:
                for name in _handed_on(resource.value, secret):
                    message = (
                        f"{name} is secret: {resource.name} must not hold it, a vault secret may"
                    )
                    yield Problem(file.path, resource.line, message)
        for module in file.all(Module):
            yield from _module(template, file, module, secret)
        yield from _listed(file)
    yield from _given(template)


def _secret_names(file: File) -> frozenset[str]:
    """Secure parameters, and variables made of them."""
    found = frozenset(one.name for one in file.all(Parameter) if one.secure)
    while True:
        more = found | {one.name for one in file.all(Variable) if any(_handed_on(one.value, found))}
        if more == found:
            return found
        found = more


def _handed_on(value: Expression, secret: frozenset[str]) -> Iterator[str]:
    """The secret names whose values end up in ``value``: not those it only asks something of."""
    if isinstance(value, Name):
        if value.name in secret:
            yield value.name
    elif isinstance(value, (Choice, Condition)):
        for part in value.parts():
            if part is not value.condition:
                yield from _handed_on(part, secret)
    elif (isinstance(value, Call) and value.function in _ONLY_ASKED) or (
        isinstance(value, Operation) and value.operator in ("==", "!=")
    ):
        return
    else:
        for part in value.parts():
            yield from _handed_on(part, secret)


def _parameters(file: File) -> Iterator[Problem]:
    for one in file.all(Parameter):
        if one.type.kind == "string" and _LOOKS_SECRET.search(one.name) and not one.secure:
            yield Problem(
                file.path, one.line, f"{one.name} needs @secure(): its name is a secret's"
            )
        if one.secure and one.default is not None and literal(one.default) != "":
            yield Problem(file.path, one.line, f"{one.name} is secret: no default but ''")


def _module(
    template: Template, file: File, module: Module, secret: frozenset[str]
) -> Iterator[Problem]:
    target = template.used_by(file, module)
    params = module.body.get("params")
    if target is None or not isinstance(params, Object):
        return
    for entry in params.properties:
        wanted = target.named(Parameter, entry.key)
        if wanted is None or wanted.secure:
            continue
        for name in _handed_on(entry.value, secret):
            message = f"{name} is secret: {entry.key} of {target.path} needs @secure()"
            yield Problem(file.path, entry.line, message)


def _listed(file: File) -> Iterator[Problem]:
    """Keys and signatures of accounts have no place here: the app signs in as what it is."""
    for value in (value for one in file.declarations for value in values(one)):
        for part in value.walk():
            if isinstance(part, Call) and _LISTS.fullmatch(part.function):
                message = f"{part.function}() fetches a key: assign a role to the identity instead"
                yield Problem(file.path, part.line, message)


def _given(template: Template) -> Iterator[Problem]:
    for one in template.main.all(Parameter):
        value = template.given.get(one.name, {}).get("value", "${}")
        if one.secure and not str(value).startswith("${"):
            message = f"{one.name} is secret: take it from azd's environment, as ${{NAME}}"
            yield Problem(PARAMETERS, template.line_given(one.name), message)
