"""What a deployment would be, worked out for each way in which infra/ can be used."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from tests.support.bicep import Deployed
from tests.support.bicep.bodies import body_problems
from tests.support.bicep.declarations import Parameter

from .project import PROJECT
from .samples import ISSUER, deployment, instance, template

WAYS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "private": {"privateNetwork": True},
    "taking over": {"existingStorageAccountName": "theirs"},
    "taking over from another group": {
        "existingStorageAccountName": "theirs",
        "existingStorageResourceGroupName": "their-group",
    },
    "taking over, private": {"existingStorageAccountName": "theirs", "privateNetwork": True},
    "under its own domain": {"customHost": "https://registry.example.com"},
    "with alerts by mail": {"alertEmail": "operator@example.com"},
    "with alerts to others": {"actionGroupId": "/subscriptions/x/actionGroups/y"},
    "never asleep": {"alwaysReadyInstances": 2},
    "with nothing kept": {"softDeleteDays": 0, "lockStorage": False},
    "protected": {"vaultPurgeProtection": True},
    "without a first user": {"usersBase64": "", "firstUser": ""},
    "with tokens of others": {
        "authMode": "token",
        "signingKeyBase64": "",
        "usersBase64": "",
        "registrySettings": ISSUER,
    },
}

# Microsoft Learn, "Naming rules and restrictions for Azure resources".
NAMES = {
    "Microsoft.Resources/resourceGroups": r"[\w.()-]{1,89}[\w()-]",
    "Microsoft.ManagedIdentity/userAssignedIdentities": r"[A-Za-z0-9][\w-]{2,127}",
    "Microsoft.Storage/storageAccounts": r"[a-z0-9]{3,24}",
    "Microsoft.Storage/storageAccounts/blobServices": r"default",
    "Microsoft.Storage/storageAccounts/blobServices/containers": (
        r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*"
    ),
    "Microsoft.Storage/storageAccounts/managementPolicies": r"default",
    "Microsoft.KeyVault/vaults": r"(?=.{3,24}$)[A-Za-z]([A-Za-z0-9]|-(?=[A-Za-z0-9]))*",
    "Microsoft.KeyVault/vaults/secrets": r"[A-Za-z0-9-]{1,127}",
    "Microsoft.Web/serverfarms": r"[A-Za-z0-9-]{1,40}",
    "Microsoft.Web/sites": r"(?=.{2,60}$)[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]",
    "Microsoft.Web/sites/config": r"appsettings|web",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": r"ftp|scm",
    "Microsoft.OperationalInsights/workspaces": r"(?=.{4,63}$)[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]",
    "Microsoft.Insights/components": r"[^%&\\?/]{1,254}[^%&\\?/ .]",
    "Microsoft.Insights/actionGroups": r"[^:<>+/&%\\?|]{1,259}[^:<>+/&%\\?| .]",
    "Microsoft.Insights/scheduledQueryRules": r"[^*<>%:?+/#&{}\\]{1,259}[^*<>%:?+/#&{}\\ .]",
    "Microsoft.Network/virtualNetworks": r"[A-Za-z0-9][\w.-]{0,62}\w",
    "Microsoft.Network/privateEndpoints": r"[A-Za-z0-9][\w.-]{0,62}\w",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": r"default",
    "Microsoft.Network/privateDnsZones": r"[a-z0-9-]+(\.[a-z0-9-]+)+",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": r"[A-Za-z0-9][\w.-]{0,78}\w",
    "Microsoft.Authorization/roleAssignments": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "Microsoft.Authorization/locks": r"[^<>%&:\\?/]{1,260}",
}


@pytest.mark.parametrize("way", WAYS)
def test_names_are_such_as_azure_takes(way: str) -> None:
    resources = deployment(**WAYS[way])
    assert len(resources) > 10
    wrong = [f"{one.type} {one.name}" for one in resources if not is_name(one)]
    assert wrong == []


@pytest.mark.parametrize("way", WAYS)
def test_bodies_are_such_as_azure_takes(way: str) -> None:
    found = [problem for one in deployment(**WAYS[way]) for problem in body_problems(one)]
    assert found == []


def test_whatever_a_parameter_may_be_azure_takes() -> None:
    """Each choice that is listed for one, with all others as they come."""
    lists = {one.name: one.choices for one in template().main.all(Parameter) if one.choices}
    assert {"authMode", "storageSku", "instanceMemoryMB"} <= lists.keys()
    for name, choices in lists.items():
        for choice in choices:
            one_of_them: dict[str, Any] = {name: choice}
            sent = deployment(**one_of_them)
            found = [problem for one in sent for problem in body_problems(one)]
            assert found == [], f"{name}={choice}"


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_deployed_twice(way: str) -> None:
    """Two resources of one name in one place: the second would overwrite the first."""
    counts = Counter((one.type, one.parent, one.name) for one in deployment(**WAYS[way]))
    assert [place for place, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("way", WAYS)
def test_outputs_are_texts(way: str) -> None:
    """Azd keeps them in its environment, line by line."""
    outputs = instance(**WAYS[way]).outputs()
    assert all(isinstance(one, str) and "\n" not in one for one in outputs.values())


def test_the_login_line_is_docker_s_and_names_the_address_that_clients_use() -> None:
    """The password comes from where the hook has put it."""
    outputs = instance(customHost="https://registry.example.com").outputs()
    assert outputs["REGISTRY_LOGIN_SERVER"] == "registry.example.com"
    ask, login = outputs["REGISTRY_LOGIN_COMMAND"].split(" | ")
    assert login == "docker login registry.example.com --username alice --password-stdin"
    assert ask.startswith("azd env get-value ")
    assert ask.split()[-1] in (PROJECT / "infra" / "azd_hooks.py").read_text()


def test_of_an_account_that_is_taken_over_nothing_is_deployed() -> None:
    """Roles are assigned; the account, its services and its containers are left as they are."""
    resources = deployment(existingStorageAccountName="theirs")
    storage = [one for one in resources if one.type.startswith("Microsoft.Storage/")]
    assert storage
    assert not [one for one in storage if "theirs" in f"{one.parent}/{one.name}".split("/")]


def test_a_private_registry_has_nothing_that_the_public_network_reaches() -> None:
    """Storage and vault are closed, and each has its endpoint inside."""
    resources = deployment(privateNetwork=True)
    closed = [
        one
        for one in resources
        if one.type in ("Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults")
    ]
    assert len(closed) == 3
    for one in closed:
        assert one.body["properties"]["publicNetworkAccess"] == "Disabled"
        assert one.body["properties"]["networkAcls"]["defaultAction"] == "Deny"
    endpoints = [one for one in resources if one.type == "Microsoft.Network/privateEndpoints"]
    assert len(endpoints) == len(closed)


def is_name(one: Deployed) -> bool:
    return re.fullmatch(NAMES[one.type], one.name) is not None
