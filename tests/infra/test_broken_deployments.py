"""Templates that are right word by word, and would deploy what does not work: found as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry_core.config import ConfigError, read_settings
from tests.support.bicep import Instance, Refused, check, read_template

from .mistakes import Mistake
from .project import copy_project
from .samples import environment_of, given

_SETTINGS = "infra/modules/app-settings.bicep"


@pytest.mark.parametrize(
    "setting, expression",
    [
        ("REGISTRY_STORAGE_AZURE_ACCOUNTNAME", "storageAccountName"),
        ("REGISTRY_STORAGE_AZURE_CONTAINER", "containerName"),
        ("REGISTRY_AUTH", "authMode"),
    ],
)
def test_a_required_setting_is_left_out(setting: str, expression: str, tmp_path: Path) -> None:
    """What made it is used somewhere else, so that nothing but the registry misses it."""
    left_out = Mistake(
        "left out",
        _SETTINGS,
        f"  {setting}: {expression}\n",
        f"  REGISTRY_HTTP_HOST: {expression}\n",
        "",
    )
    left_out.make(copy_project(tmp_path))
    assert check(tmp_path) == []
    with pytest.raises(ConfigError, match=f"{setting}( is missing|=''|: )"):
        read_settings(environment_of(broken(tmp_path)))


def test_a_reference_names_a_secret_that_the_vault_has_not(tmp_path: Path) -> None:
    Mistake("reference", _SETTINGS, "/http-secret)", "/secret)", "").make(copy_project(tmp_path))
    with pytest.raises(KeyError, match="'secret'"):
        environment_of(broken(tmp_path))


def test_a_module_is_read_where_it_is_not_deployed(tmp_path: Path) -> None:
    """Azure would say so in the middle of a deployment."""
    main = "infra/main.bicep"
    right = "privateNetwork ? network.outputs.appSubnetId : ''"
    Mistake("read", main, right, "network.outputs.appSubnetId", "").make(copy_project(tmp_path))
    assert list(broken(tmp_path, privateNetwork=True).deployed())
    with pytest.raises(Refused, match="network is not deployed, and read all the same"):
        list(broken(tmp_path).deployed())


def broken(project: Path, **more: object) -> Instance:
    template, _ = read_template(project / "infra")
    return Instance(template, template.main, given("builtin") | more)
