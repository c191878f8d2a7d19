"""azure.yaml and abbreviations.json: what azd would look for is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from .declarations import Variable, values
from .expressions import Call, Member, Name, Property, literal
from .symbols import nearest
from .syntax import Problem
from .template import Template

AZURE_YAML = "azure.yaml"
_TAG = "azd-service-name"
_HOOKS = frozenset(
    {"preprovision", "postprovision", "predeploy", "postdeploy", "predown", "postdown"}
)


def azd_problems(template: Template, project: Path) -> Iterator[Problem]:
    """What azure.yaml says of the project and the template. Files are relative to ``project``."""
    text = (project / AZURE_YAML).read_text()
    document, lines = yaml.safe_load(text), dict(_lines(yaml.compose(text, yaml.SafeLoader)))
    services = document.get("services") or {}
    used = set(_tags(template))
    for message, *path in (
        *_services(project, services),
        *_hooks(project, document),
        *_untagged(services, {name for _, _, name in used}),
    ):
        yield Problem(AZURE_YAML, lines.get(tuple(path), 1), message)
    for file, line, name in used:
        if name not in services:
            message = f"{AZURE_YAML} has no service {name}; {nearest(name, services)}"
            yield Problem(f"{template.folder.name}/{file}", line, message)


def abbreviation_problems(template: Template) -> Iterator[Problem]:
    """Files that are loaded are there, and have what is read of them: `abbreviations.x`."""
    for file in template.files.values():
        loaded: dict[str, dict[str, Any]] = {}
        for one in file.all(Variable):
            if isinstance(one.value, Call) and one.value.function == "loadJsonContent":
                name = str(literal(one.value.arguments[0]))
                path = (template.folder / file.path).parent / name
                if path.is_file():
                    loaded[one.name] = json.loads(path.read_text())
                else:
                    yield Problem(file.path, one.line, f"there is no file {name}")
        for part in (p for one in file.declarations for v in values(one) for p in v.walk()):
            if isinstance(part, Member) and isinstance(part.of, Name) and part.of.name in loaded:
                known = loaded[part.of.name]
                if part.name not in known:
                    message = f"{part.of.name} has no {part.name}; {nearest(part.name, known)}"
                    yield Problem(file.path, part.line, message)


def _services(project: Path, services: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """What is wrong, and the names that lead to where it stands."""
    if not services:
        yield ("there must be a service: the app",)
    for name, service in services.items():
        place = ("services", name)
        folder = project / service.get("project", "")
        if not (folder / "host.json").is_file() or not (folder / "function_app.py").is_file():
            message = f"{name}: there is no Functions app in {service.get('project')!r}"
            yield (message, *place, "project")
        for key, wanted in (("language", "python"), ("host", "function")):
            if service.get(key) != wanted:
                yield (f"{name}: {key} must be {wanted}", *place, key)


def _hooks(project: Path, document: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, hook in (document.get("hooks") or {}).items():
        place = ("hooks", name)
        if name not in _HOOKS:
            yield (f"azd has no hook {name}; {nearest(name, _HOOKS)}", *place)
        for system, command in [("", hook)] if "run" in hook else hook.items():
            inside = (*place, system) if system else place
            for word in command["run"].split():
                if "/" in word and not (project / word).is_file():
                    yield (f"{name}: there is no file {word}", *inside, "run")
            if command.get("continueOnError"):
                message = f"{name}: what it makes is needed, so its failure must stop azd"
                yield (message, *inside, "continueOnError")


def _untagged(services: dict[str, Any], tags: set[str]) -> Iterator[tuple[str, ...]]:
    for name in services.keys() - tags:
        message = f"{name}: no resource has the tag {_TAG}: azd would not find the app"
        yield (message, "services", name)


def _tags(template: Template) -> Iterator[tuple[str, int, str]]:
    """File, line and service of each tag by which azd finds a service's resource."""
    for file, resource in template.resources():
        for part in resource.value.walk():
            if isinstance(part, Property) and part.key == _TAG:
                yield file.path, part.line, str(literal(part.value))


def _lines(node: yaml.Node | None, path: tuple[str, ...] = ()) -> Iterator[tuple[Any, int]]:
    """The line of each entry, by the names that lead to it."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            yield inner, key.start_mark.line + 1
            yield from _lines(value, inner)
