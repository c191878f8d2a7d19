"""azure.yaml and abbreviations.json: what azd would look for is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from .declarations import values
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
    """`abbreviations.x`, where `abbreviations` is what a JSON file holds."""
    for file in template.files.values():
        loaded = {
            one.name: _load(template, file.path, one.value)
            for one in file.declarations
            if hasattr(one, "value") and isinstance(one.value, Call)
            if one.value.function == "loadJsonContent"
        }
        for part in (p for one in file.declarations for v in values(one) for p in v.walk()):
            if isinstance(part, Member) and isinstance(part.of, Name) and part.of.name in loaded:
                known = loaded[part.of.name]
                if part.name not in known:
                    message = f"{part.of.name} has no {part.name}; {nearest(part.name, known)}"
                    yield Problem(file.path, part.line, message)


def _load(template: Template, path: str, call: Call) -> dict[str, Any]:
    name = str(literal(call.arguments[0]))
    loaded: dict[str, Any] = json.loads(((template.folder / path).parent / name).read_text())
    return loaded


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
