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
    text = (project / AZURE_YAML).read_text()
    document = yaml.safe_load(text)
    services = document.get("services") or {}
    for message, word in (*_services(project, services), *_hooks(project, document)):
        yield Problem(AZURE_YAML, _line(text, word), message)
    yield from _tags(template, text, services)


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


def _services(project: Path, services: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong, and a word by which the line is found."""
    if not services:
        yield "there must be a service: the app", "services"
    for name, service in services.items():
        folder = project / service.get("project", "")
        if not (folder / "host.json").is_file() or not (folder / "function_app.py").is_file():
            yield f"{name}: there is no Functions app in {service.get('project')!r}", "project"
        for key, wanted in (("language", "python"), ("host", "function")):
            if service.get(key) != wanted:
                yield f"{name}: {key} must be {wanted}", key if key in service else name


def _hooks(project: Path, document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, hook in (document.get("hooks") or {}).items():
        if name not in _HOOKS:
            yield f"azd has no hook {name}; {nearest(name, _HOOKS)}", name
        for system in [hook] if "run" in hook else hook.values():
            for word in system["run"].split():
                if "/" in word and not (project / word).is_file():
                    yield f"{name}: there is no file {word}", word
            if system.get("continueOnError"):
                yield f"{name}: what it makes is needed, so its failure must stop azd", name


def _tags(template: Template, text: str, services: dict[str, Any]) -> Iterator[Problem]:
    found: set[str] = set()
    for file, resource in template.resources():
        for part in resource.value.walk():
            if isinstance(part, Property) and part.key == _TAG:
                name = str(literal(part.value))
                found.add(name)
                if name not in services:
                    message = f"{AZURE_YAML} has no service {name}; {nearest(name, services)}"
                    yield Problem(file.path, part.line, message)
    for name in services.keys() - found:
        message = f"{name}: no resource has the tag {_TAG}: azd would not find the app"
        yield Problem(AZURE_YAML, _line(text, name), message)


def _line(text: str, word: str) -> int:
    found = (number for number, line in enumerate(text.splitlines(), 1) if word in line)
    return next(found, 1)
