"""What azd looks for is there: services, hooks, parameters, tags and outputs."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from tests.house.tree import PROJECT

from .snapshots import NAMES, deployment

AZURE_YAML = yaml.safe_load((PROJECT / "azure.yaml").read_text())
PARAMETERS = json.loads((PROJECT / "infra/main.parameters.json").read_text())["parameters"]
VARIABLE = re.compile(r"\$\{(\w+)(=(.*))?\}")


def test_the_service_is_the_functions_app_of_this_folder() -> None:
    (service,) = AZURE_YAML["services"].values()
    assert (service["language"], service["host"]) == ("python", "function")
    folder = PROJECT / service["project"]
    assert (folder / "host.json").is_file()
    assert (folder / "function_app.py").is_file()


def test_the_app_has_the_tag_that_azd_finds_it_by() -> None:
    (service,) = AZURE_YAML["services"]
    tagged = [
        one.type
        for one in deployment().resources
        if one.body.get("tags", {}).get("azd-service-name") == service
    ]
    assert tagged == ["Microsoft.Web/sites"]


@pytest.mark.parametrize("name", NAMES)
def test_the_resource_group_has_the_tag_of_the_environment(name: str) -> None:
    """By which azd deploys to the group, and deletes it."""
    group = deployment(name).one("Microsoft.Resources/resourceGroups")
    assert group.body["tags"] == {"azd-env-name": "sample"}


def test_hooks_run_a_program_that_exists_and_stop_azd_when_it_fails() -> None:
    hooks = AZURE_YAML["hooks"]
    assert set(hooks) == {"preprovision", "postdeploy"}
    for systems in hooks.values():
        assert set(systems) == {"posix", "windows"}
        for hook in systems.values():
            assert not hook.get("continueOnError")
            (program,) = [word for word in hook["run"].split() if "/" in word]
            assert (PROJECT / program).is_file()


def test_the_documents_name_the_version_of_azd_that_the_hooks_need() -> None:
    """`azd env set --file` exists since then; azd itself compares the version."""
    (version,) = re.findall(r"^>= ([\d.]+)$", AZURE_YAML["requiredVersions"]["azd"])
    for document in ("docs/deploy.md", "docs/infrastructure.md"):
        assert f"{version} or newer" in (PROJECT / document).read_text()


def test_azd_supplies_parameters_that_the_template_has(template: dict[str, Any]) -> None:
    """And all that have no default."""
    declared = template["parameters"]
    assert PARAMETERS.keys() <= declared.keys()
    required = {name for name, one in declared.items() if "defaultValue" not in one}
    assert required <= PARAMETERS.keys()


@pytest.mark.parametrize("name", PARAMETERS)
def test_azd_supplies_values_that_the_template_accepts(name: str, template: dict[str, Any]) -> None:
    """Variables are replaced in texts only, and an unset one may become an empty text."""
    declared, value = template["parameters"][name], PARAMETERS[name]["value"]
    if declared["type"] == "object":
        assert isinstance(value, dict)
        return
    variable = VARIABLE.fullmatch(value)
    assert variable, f"{name} would be the same in every environment"
    default = variable[3] or ""
    if declared["type"] == "bool":  # azd converts the text
        default = json.loads(default)
    if "defaultValue" in declared:
        assert default == declared["defaultValue"]
    if "allowedValues" in declared:
        assert default in declared["allowedValues"]


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_single_lines_of_text(name: str) -> None:
    """They are kept in azd's environment, line by line."""
    outputs = deployment(name).outputs
    assert outputs
    assert [one for one in outputs.values() if not isinstance(one, str) or "\n" in one] == []


def test_the_login_command_has_the_host_name_that_clients_use() -> None:
    """It reads the password from where the hook has put it."""
    outputs = deployment("options").outputs
    assert outputs["REGISTRY_LOGIN_SERVER"] == "registry.example.com"
    password, login = outputs["REGISTRY_LOGIN_COMMAND"].split(" | ")
    assert login == "docker login registry.example.com --username alice --password-stdin"
    assert password.startswith("azd env get-value ")
    assert password.split()[-1] in (PROJECT / "infra" / "azd_hooks.py").read_text()


def test_the_urls_are_those_of_the_app() -> None:
    outputs, app = deployment().outputs, deployment().one("Microsoft.Web/sites").name
    assert outputs["AZURE_FUNCTION_NAME"] == app
    assert outputs["REGISTRY_AZURE_URL"] == f"https://{app}.azurewebsites.net"
    assert outputs["REGISTRY_LOGIN_SERVER"] == f"{app}.azurewebsites.net"
