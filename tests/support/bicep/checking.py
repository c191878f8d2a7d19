"""All checks, in one place, over a project's azure.yaml and infra/."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from .app_settings import setting_problems
from .azd import abbreviation_problems, azd_problems
from .interfaces import interface_problems
from .order import circle_problems, late_problems
from .properties import property_problems
from .roles import role_problems
from .scopes import scope_problems
from .secrets import secret_problems
from .security import security_problems
from .symbols import symbol_problems
from .syntax import Problem
from .template import Template, read_template
from .versions import version_problems

INFRA = "infra"
CHECKS: tuple[Callable[[Template], Iterator[Problem]], ...] = (
    symbol_problems,
    interface_problems,
    scope_problems,
    late_problems,
    property_problems,
    version_problems,
    role_problems,
    setting_problems,
    secret_problems,
    security_problems,
    abbreviation_problems,
)


def check(project: Path) -> list[Problem]:
    """What is wrong, by file and line.

    Where text is no Bicep, or something needs itself, nothing else is looked at.
    """
    template, problems = read_template(project / INFRA)
    problems = problems or list(circle_problems(template))
    if problems:
        return sorted(_in_project(problems))
    found = [problem for one in CHECKS for problem in one(template)]
    return sorted(_in_project(found) | set(azd_problems(template, project)))


def _in_project(problems: list[Problem]) -> set[Problem]:
    return {replace(one, file=f"{INFRA}/{one.file}") for one in problems}
