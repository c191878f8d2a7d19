"""The compiler accepts `infra/` without a warning and predicts the deployments in `settings/`."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import pytest

from tests.house.tree import PROJECT
from tests.support.bicep import bicep

from .snapshots import NAMES, SETTINGS, path_of, predict

FILES = sorted(
    path.relative_to(PROJECT)
    for path in (*PROJECT.glob("infra/**/*.bicep"), *SETTINGS.glob("*.bicepparam"))
)


def test_linting_gives_no_warning(templates: Path) -> None:
    """Neither from the compiler nor from a linter rule, for templates and parameters."""
    ran = bicep("lint", "--pattern", "**/*.bicep*", folder=templates)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")


def test_formatting_changes_nothing(templates: Path) -> None:
    ran = bicep("format", "--pattern", "**/*.bicep*", folder=templates)
    assert ran.returncode == 0, ran.stderr
    changed = [
        f"{path}: run bicep format"
        for path in FILES
        if (templates / path).read_text() != (PROJECT / path).read_text()
    ]
    assert changed == []


@pytest.mark.parametrize("name", NAMES)
def test_the_compiler_predicts_the_snapshot(name: str, templates: Path) -> None:
    """Nothing in it is specific to a machine, so the prediction is the same everywhere."""
    before = path_of(name).read_text().splitlines()
    after = predict(name, templates / SETTINGS.relative_to(PROJECT)).splitlines()
    difference = "\n".join(
        difflib.unified_diff(before, after, "snapshot", "prediction", lineterm="")
    )
    if difference:
        hint = "If the change is intended, run: .venv/bin/python -m tests.infra.snapshots"
        pytest.fail(f"{difference}\n\n{hint}", pytrace=False)


def test_every_module_is_deployed_under_a_name_of_its_own(template: dict[str, Any]) -> None:
    """Two modules of one name in one place would overwrite each other's deployment."""
    for parent in (template, *(nested for _, nested in nested_templates(template))):
        names = [deployment["name"] for deployment in deployments(parent)]
        assert len(names) == len(set(names))


def test_the_app_starts_only_after_its_permissions_exist(template: dict[str, Any]) -> None:
    """Changing app settings starts the app, so they wait for the role assignments."""
    (settings,) = [one for one in deployments(template) if one["name"] == "app-settings"]
    assert "registryAccess" in settings["dependsOn"]


def test_secrets_are_secure_parameters_all_the_way(template: dict[str, Any]) -> None:
    """Azure keeps other parameters in plain text in the history of deployments.

    Whether a secret is empty is not secret: that alone may go into another kind of parameter.
    """
    secrets = secure_parameters(template)
    assert secrets == {"httpSecret", "signingKeyBase64", "usersBase64"}
    received = set()
    for deployment, nested in nested_templates(template):
        for name, given in deployment["properties"]["parameters"].items():
            sent = {secret for secret in secrets if f"parameters('{secret}')" in str(given)}
            if sent and given["value"] not in {
                f"[not(empty(parameters('{one}')))]" for one in sent
            }:
                assert name in secure_parameters(nested), f"{deployment['name']}: {name}"
                received |= sent
    assert received == secrets


def test_secure_parameters_have_no_default(template: dict[str, Any]) -> None:
    for one in (template, *(nested for _, nested in nested_templates(template))):
        for name in secure_parameters(one):
            assert not one["parameters"][name].get("defaultValue"), name


def secure_parameters(template: dict[str, Any]) -> set[str]:
    parameters = template.get("parameters", {}).items()
    return {name for name, parameter in parameters if parameter["type"].startswith("secure")}


def nested_templates(template: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The deployments of modules, of modules' modules as well, each with its template."""
    found = []
    for deployment in deployments(template):
        nested = deployment["properties"]["template"]
        found += [(deployment, nested), *nested_templates(nested)]
    return found


def deployments(template: dict[str, Any]) -> list[dict[str, Any]]:
    resources = template["resources"]
    listed = resources.values() if isinstance(resources, dict) else resources
    return [one for one in listed if one["type"] == "Microsoft.Resources/deployments"]
