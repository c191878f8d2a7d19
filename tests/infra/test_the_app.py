"""The app, its plan, identity, storage and vault are the ones that belong together."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.support.bicep import Deployed
from tests.support.bicep.app_settings import app_settings
from tests.support.bicep.declarations import Module
from tests.support.bicep.expressions import Array, Name
from tests.support.bicep.roles import ASSIGNMENT, ROLES

from .samples import deployment, given, template

_IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"
_ACCOUNT = "Microsoft.Storage/storageAccounts"
_CONTAINER = f"{_ACCOUNT}/blobServices/containers"

# Microsoft Learn, "Azure Functions Flex Consumption plan hosting".
PLAN = {"name": "FC1", "tier": "FlexConsumption"}
CLIENT = "33333333-3333-3333-3333-333333333333"
PRINCIPAL = "44444444-4444-4444-4444-444444444444"

LEAST = {
    ("Storage Blob Data Owner", _ACCOUNT): 1,
    ("Storage Blob Data Contributor", _CONTAINER): 1,
    ("Storage Blob Delegator", _ACCOUNT): 1,
    ("Key Vault Secrets User", "Microsoft.KeyVault/vaults"): 1,
    ("Monitoring Metrics Publisher", "Microsoft.Insights/components"): 1,
}
"""Roles, and what they are had on: all that the app may do."""


def test_azd_finds_the_group_by_its_environment() -> None:
    """Azd looks for the tag, to deploy to it and to take it down."""
    group = the("Microsoft.Resources/resourceGroups").body
    assert group["tags"] == {"azd-env-name": given("builtin")["environmentName"]}


def test_the_plan_is_flex_consumption_on_linux() -> None:
    plan = the("Microsoft.Web/serverfarms").body
    assert plan["sku"] == PLAN
    assert plan["properties"]["reserved"] is True
    assert the("Microsoft.Web/sites").body["kind"] == "functionapp,linux"


def test_the_app_runs_on_the_plan_with_the_python_that_is_tested() -> None:
    properties = app()
    assert properties["serverFarmId"].endswith(f"/{the('Microsoft.Web/serverfarms').name}")
    assert properties["functionAppConfig"]["runtime"] == {"name": "python", "version": "3.13"}


def test_the_app_is_the_identity_that_the_roles_are_given_to() -> None:
    identity = the("Microsoft.Web/sites").body["identity"]
    assert identity["type"] == "UserAssigned"
    assert [key.split("/")[-1] for key in identity["userAssignedIdentities"]] == [
        the(_IDENTITY).name
    ]
    assert app()["keyVaultReferenceIdentity"] in identity["userAssignedIdentities"]
    assert {one.body["properties"]["principalId"] for one in assignments()} == {PRINCIPAL}


def test_the_app_may_do_what_it_needs_and_nothing_else() -> None:
    """Least privilege: a role that is added or widened must be written here, too."""
    found = Counter((role(one), one.scope) for one in assignments())
    assert found == Counter(LEAST)


def test_the_package_lies_where_azd_puts_it_and_the_app_may_read_it() -> None:
    storage = app()["functionAppConfig"]["deployment"]["storage"]
    place = f"/{the(_CONTAINER, 'app-package').name}"
    assert storage["type"] == "blobContainer"
    assert storage["value"] == settings()["AzureWebJobsStorage__blobServiceUri"].rstrip("/") + place
    assert storage["authentication"] == {
        "type": "UserAssignedIdentity",
        "userAssignedIdentityResourceId": app()["keyVaultReferenceIdentity"],
    }


def test_the_host_and_the_registry_sign_in_as_the_identity() -> None:
    found = settings()
    assert found["AzureWebJobsStorage__credential"] == "managedidentity"
    assert found["AzureWebJobsStorage__clientId"] == CLIENT
    assert found["AZURE_CLIENT_ID"] == CLIENT
    assert found["AZURE_TOKEN_CREDENTIALS"] == "ManagedIdentityCredential"


def test_the_hosts_storage_is_not_the_registrys() -> None:
    """What the host may do with its own touches no image."""
    found = settings()
    own = f"https://{found['REGISTRY_STORAGE_AZURE_ACCOUNTNAME']}.blob.core.windows.net/"
    assert found["AzureWebJobsStorage__blobServiceUri"] != own


def test_telemetry_is_sent_by_the_identity_into_the_workspace() -> None:
    component = the("Microsoft.Insights/components").body["properties"]
    workspace = the("Microsoft.OperationalInsights/workspaces").name
    assert component["WorkspaceResourceId"].endswith(f"/{workspace}")
    found = settings()["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"].split(";")
    assert set(found) == {f"ClientId={CLIENT}", "Authorization=AAD"}


def test_bodies_may_be_larger_than_the_hosts_default() -> None:
    assert int(settings()["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"]) > 100 * 2**20


def test_the_app_starts_only_when_it_may_read_its_data() -> None:
    """Its settings start it, and wait for its roles."""
    settings_module = template().main.named(Module, "appSettings")
    assert settings_module is not None
    waits = settings_module.body.get("dependsOn")
    assert isinstance(waits, Array)
    assert "registryAccess" in [one.name for one in waits.items if isinstance(one, Name)]


def test_the_registrys_account_is_locked_against_deletion() -> None:
    locks = [one for one in deployment() if one.type == "Microsoft.Authorization/locks"]
    assert [(one.scope, one.body["properties"]["level"]) for one in locks] == [
        (_ACCOUNT, "CanNotDelete")
    ]


@pytest.mark.parametrize("kind", ["alertEmail", "actionGroupId"])
def test_an_alert_reaches_somebody(kind: str) -> None:
    """Each rule looks at the workspace, and tells exactly who was given."""
    resources = deployment(**{kind: "operator@example.com"})
    rules = [one for one in resources if one.type.endswith("/scheduledQueryRules")]
    assert len(rules) >= 2
    for rule in rules:
        assert len(rule.body["properties"]["actions"]["actionGroups"]) == 1
        assert rule.body["properties"]["scopes"][0].split("/")[-2:] == [
            "workspaces",
            the("Microsoft.OperationalInsights/workspaces").name,
        ]


def test_the_app_calls_out_from_a_subnet_that_is_its_own() -> None:
    """Flex Consumption wants one that is delegated to it; endpoints are in another."""
    resources = deployment(privateNetwork=True)
    network = next(one for one in resources if one.type == "Microsoft.Network/virtualNetworks")
    subnets = {one["name"]: one["properties"] for one in network.body["properties"]["subnets"]}
    site = next(one for one in resources if one.type == "Microsoft.Web/sites")
    own = site.body["properties"]["virtualNetworkSubnetId"].split("/")[-1]
    (delegation,) = subnets[own]["delegations"]
    assert delegation["properties"]["serviceName"] == "Microsoft.App/environments"
    endpoints = [one for one in resources if one.type == "Microsoft.Network/privateEndpoints"]
    used = {one.body["properties"]["subnet"]["id"].split("/")[-1] for one in endpoints}
    assert used <= subnets.keys() - {own}
    assert app()["virtualNetworkSubnetId"] is None


def test_each_endpoint_is_for_the_part_of_its_service_that_is_used() -> None:
    """And its name goes into the zone of that part (Microsoft Learn, "Private endpoint DNS")."""
    parts = {
        _ACCOUNT: ("blob", "privatelink.blob.core.windows.net"),
        "Microsoft.KeyVault/vaults": ("vault", "privatelink.vaultcore.azure.net"),
    }
    resources = deployment(privateNetwork=True)
    groups = {one.parent: one for one in resources if one.type.endswith("/privateDnsZoneGroups")}
    endpoints = [one for one in resources if one.type == "Microsoft.Network/privateEndpoints"]
    for one in endpoints:
        (link,) = one.body["properties"]["privateLinkServiceConnections"]
        (zone,) = groups[one.name].body["properties"]["privateDnsZoneConfigs"]
        service = link["properties"]["privateLinkServiceId"].split("/providers/")[1]
        part, name = parts[service.rpartition("/")[0]]
        assert link["properties"]["groupIds"] == [part]
        assert zone["properties"]["privateDnsZoneId"].split("/")[-1] == name


def the(kind: str, name: str = "") -> Deployed:
    """The only resource of a type, or the one of a name."""
    (found,) = [one for one in deployment() if one.type == kind and name in ("", one.name)]
    return found


def app() -> dict[str, Any]:
    properties: dict[str, Any] = the("Microsoft.Web/sites").body["properties"]
    return properties


def settings() -> dict[str, str]:
    return app_settings(deployment())


def assignments() -> list[Deployed]:
    return [one for one in deployment() if one.type == ASSIGNMENT]


def role(one: Deployed) -> str:
    return ROLES[one.body["properties"]["roleDefinitionId"].split("/")[-1]].name
