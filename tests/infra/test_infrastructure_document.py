"""docs/infrastructure.md tells what the template has: parameters, roles, secrets, the lock."""

from __future__ import annotations

import json
import re

from tests.house.tree import PROJECT

DOCUMENT = (PROJECT / "docs/infrastructure.md").read_text()
MAIN = (PROJECT / "infra/main.bicep").read_text()
MODULES = "".join(path.read_text() for path in (PROJECT / "infra/modules").glob("*.bicep"))
PARAMETERS = json.loads((PROJECT / "infra/main.parameters.json").read_text())["parameters"]


def section(title: str) -> str:
    return DOCUMENT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of a table's rows, without head."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines[1:]]


def test_every_parameter_is_told_with_its_default() -> None:
    told = {row[0].strip("`"): row[1].strip("`") for row in rows(section("Parameters"))}
    declared = re.findall(r"(?m)^param (\w+) \w+(?: = (.+))?$", MAIN)
    assert told == {name: default or "required" for name, default in declared}


def test_the_azd_environment_has_the_names_that_are_told() -> None:
    """And main.parameters.json sets no parameter that is not there."""
    told = {row[0].strip("`"): row[2].strip("`") for row in rows(section("Parameters"))}
    read = {
        name: re.sub(r"\$\{(\w+).*\}", r"\1", parameter["value"])
        for name, parameter in PARAMETERS.items()
        if isinstance(parameter["value"], str)
    }
    assert read == {name: variable for name, variable in told.items() if variable}
    assert set(PARAMETERS) <= set(told)


def test_the_defaults_of_main_parameters_are_the_templates() -> None:
    """Whoever deploys without azd gets the same."""
    for name, parameter in PARAMETERS.items():
        default = re.fullmatch(r"\$\{\w+=(.*)\}", str(parameter["value"]))
        if default:
            assert f"param {name} string = '{default[1]}'" in MAIN


def test_every_role_is_told() -> None:
    """By the name that the module gives it, and in no other number."""
    told = [row[0] for row in rows(section("Roles"))]
    named = re.findall(r"// ([A-Z][\w ]+)[:.].*\nvar \w+ = '[0-9a-f-]{36}'", MODULES)
    assert sorted(told) == sorted(named)
    assert len(told) == MODULES.count("Microsoft.Authorization/roleAssignments@")


def test_the_lock_is_called_what_the_document_removes() -> None:
    [name] = re.findall(r"az lock delete --name ([\w-]+)", DOCUMENT)
    assert f"name: '{name}'" in MODULES


def test_no_secret_is_an_output() -> None:
    """Outputs and deployments are kept by Azure for all who may read the resource group."""
    secure = re.findall(r"@secure\(\)\n(?:@.*\n)*param (\w+)", MAIN + MODULES)
    assert {"httpSecret", "signingKeyBase64", "usersBase64"} <= set(secure)
    outputs = re.findall(r"(?m)^output .*$", MAIN + MODULES)
    assert outputs
    assert [line for line in outputs if re.search(rf"\b({'|'.join(secure)})\b", line)] == []
