"""docs/infrastructure.md documents the template: its parameters, roles and lock."""

from __future__ import annotations

import json
import re

from tests.house.tree import PROJECT

from .snapshots import deployment
from .test_permissions import ROLES

DOCUMENT = (PROJECT / "docs/infrastructure.md").read_text()
MAIN = (PROJECT / "infra/main.bicep").read_text()
PARAMETERS = json.loads((PROJECT / "infra/main.parameters.json").read_text())["parameters"]


def section(title: str) -> str:
    return DOCUMENT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of a table's rows, without the header."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines[1:]]


def test_every_parameter_is_documented_with_its_default() -> None:
    documented = {row[0].strip("`"): row[1].strip("`") for row in rows(section("Parameters"))}
    declared = re.findall(r"(?m)^param (\w+) [^=\n]+?(?: = (.+))?$", MAIN)
    assert documented == {name: default or "required" for name, default in declared}


def test_the_variables_of_the_azd_environment_are_documented() -> None:
    documented = {row[0].strip("`"): row[2].strip("`") for row in rows(section("Parameters"))}
    read = {
        name: re.sub(r"\$\{(\w+).*\}", r"\1", parameter["value"])
        for name, parameter in PARAMETERS.items()
        if isinstance(parameter["value"], str)
    }
    assert read == {name: variable for name, variable in documented.items() if variable}
    assert set(PARAMETERS) <= set(documented)


def test_every_role_is_documented() -> None:
    documented = [row[0] for row in rows(section("Roles"))]
    assigned = deployment().all("Microsoft.Authorization/roleAssignments")
    assert sorted(documented) == sorted(
        ROLES[one.properties["roleDefinitionId"].rpartition("/")[2]] for one in assigned
    )


def test_the_documented_command_removes_the_lock() -> None:
    [name] = re.findall(r"az lock delete --name ([\w-]+)", DOCUMENT)
    assert deployment().one("Microsoft.Authorization/locks").name == name
