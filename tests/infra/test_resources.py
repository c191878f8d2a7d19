"""What each setting deploys: names that Azure accepts, secure properties, and the right parts."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import partial
from typing import Any

import pytest

from .arm_expressions import Functions, resolve
from .snapshots import HTTP_SECRET, NAMES, Resource, deployment, path_of, signing_key, users

ACCOUNT = "Microsoft.Storage/storageAccounts"
CONTAINER = f"{ACCOUNT}/blobServices/containers"
SITE = "Microsoft.Web/sites"
VAULT = "Microsoft.KeyVault/vaults"
WORKSPACE = "Microsoft.OperationalInsights/workspaces"

# By type, for the last part of the name. Microsoft Learn, "Naming rules and restrictions for Azure
# resources".
NAME_RULES = {
    "Microsoft.Resources/resourceGroups": r"[\w.()-]{1,89}[\w()-]",
    "Microsoft.ManagedIdentity/userAssignedIdentities": r"[A-Za-z0-9][\w-]{2,127}",
    ACCOUNT: r"[a-z0-9]{3,24}",
    f"{ACCOUNT}/blobServices": r"default",
    CONTAINER: r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*",
    f"{ACCOUNT}/managementPolicies": r"default",
    VAULT: r"(?=.{3,24}$)[A-Za-z]([A-Za-z0-9]|-(?=[A-Za-z0-9]))*",
    f"{VAULT}/secrets": r"[A-Za-z0-9-]{1,127}",
    "Microsoft.Web/serverfarms": r"[A-Za-z0-9-]{1,40}",
    SITE: r"(?=.{2,60}$)[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]",
    f"{SITE}/config": r"appsettings|web",
    f"{SITE}/basicPublishingCredentialsPolicies": r"ftp|scm",
    WORKSPACE: r"(?=.{4,63}$)[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9]",
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
    "Microsoft.Insights/diagnosticSettings": r"[^*<>%:&\\?+/]{1,260}",
}

REQUIRED: dict[str, dict[str, Any]] = {
    ACCOUNT: {
        "allowSharedKeyAccess": False,
        "allowBlobPublicAccess": False,
        "minimumTlsVersion": "TLS1_2",
        "supportsHttpsTrafficOnly": True,
        "allowCrossTenantReplication": False,
    },
    CONTAINER: {"publicAccess": "None"},
    SITE: {
        "httpsOnly": True,
        "siteConfig": {"minTlsVersion": "1.2", "scmMinTlsVersion": "1.2", "ftpsState": "Disabled"},
    },
    f"{SITE}/basicPublishingCredentialsPolicies": {"allow": False},
    VAULT: {"enableRbacAuthorization": True},
    WORKSPACE: {"features": {"disableLocalAuth": True}},
    "Microsoft.Insights/components": {"DisableLocalAuth": True},
}
"""What every resource of a type must have, for access without keys, passwords or plain text."""


@pytest.mark.parametrize("name", NAMES)
def test_azure_accepts_the_names(name: str) -> None:
    resources = deployment(name).resources
    assert len(resources) > 10
    rejected = [
        f"{one.type} {one.name}"
        for one in resources
        if not re.fullmatch(NAME_RULES[one.type], one.name.rpartition("/")[2])
    ]
    assert rejected == []


@pytest.mark.parametrize("name", NAMES)
def test_no_resource_is_deployed_twice(name: str) -> None:
    """The second would overwrite the first."""
    counts = Counter((one.type, one.id) for one in deployment(name).resources)
    assert [resource for resource, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("name", NAMES)
def test_each_type_has_one_released_version(name: str) -> None:
    versions: dict[str, set[str]] = {}
    for one in deployment(name).resources:
        versions.setdefault(one.type, set()).add(one.body["apiVersion"])
    # The only version that knows categories of logs, and the one that Microsoft documents.
    assert versions.pop("Microsoft.Insights/diagnosticSettings") == {"2021-05-01-preview"}
    released = re.compile(r"\d{4}-\d\d-\d\d")
    assert {
        kind: found
        for kind, found in versions.items()
        if len(found) > 1 or not all(released.fullmatch(version) for version in found)
    } == {}


@pytest.mark.parametrize("name", NAMES)
def test_the_compiler_finds_no_problem_in_the_deployment(name: str) -> None:
    assert json.loads(path_of(name).read_text())["diagnostics"] == []


@pytest.mark.parametrize("kind", REQUIRED)
@pytest.mark.parametrize("name", NAMES)
def test_security_never_depends_on_a_setting(name: str, kind: str) -> None:
    resources = deployment(name).all(kind)
    assert resources
    for one in resources:
        assert has(one.properties, REQUIRED[kind]), one.name


@pytest.mark.parametrize("name", NAMES)
def test_passwords_cannot_publish_in_either_way(name: str) -> None:
    """Azure allows both until a policy of the app disables them."""
    policies = deployment(name).all(f"{SITE}/basicPublishingCredentialsPolicies")
    app = deployment(name).one(SITE).name
    assert {one.name for one in policies} == {f"{app}/ftp", f"{app}/scm"}


@pytest.mark.parametrize("name", NAMES)
def test_there_is_no_way_around_roles_and_origins(name: str) -> None:
    """The app has no rule for cross-origin requests, and the vault no access policies."""
    assert "cors" not in deployment(name).one(SITE).properties["siteConfig"]
    assert "accessPolicies" not in deployment(name).one(VAULT).properties


@pytest.mark.parametrize("name", ["default", "auth-htpasswd"])
def test_secrets_are_in_the_vault_and_nowhere_else(name: str) -> None:
    resources = deployment(name).resources
    elsewhere = [one.body for one in resources if one.type != f"{VAULT}/secrets"]
    visible = json.dumps([elsewhere, deployment(name).outputs])
    for secret in (HTTP_SECRET, signing_key(), users()):
        assert json.dumps(secret)[1:-1] not in visible


def test_the_plan_is_flex_consumption_on_linux() -> None:
    """Microsoft Learn, "Azure Functions Flex Consumption plan hosting"."""
    plan = deployment().one("Microsoft.Web/serverfarms")
    assert plan.body["sku"] == {"name": "FC1", "tier": "FlexConsumption"}
    assert plan.properties["reserved"] is True
    assert site().body["kind"] == "functionapp,linux"
    assert site().properties["serverFarmId"] == plan.id


def test_the_app_runs_the_python_that_is_tested() -> None:
    runtime = site().properties["functionAppConfig"]["runtime"]
    assert runtime == {"name": "python", "version": "3.13"}


@pytest.mark.parametrize(
    "name, concurrency, instances, memory, ready",
    [
        ("default", 4, 40, 2048, []),
        ("options", 32, 100, 4096, [{"name": "http", "instanceCount": 2}]),
    ],
)
def test_scale_and_concurrency_are_set(
    name: str, concurrency: int, instances: int, memory: int, ready: list[dict[str, Any]]
) -> None:
    """Left to the platform, an instance would serve one request at a time."""
    assert site(name).properties["functionAppConfig"]["scaleAndConcurrency"] == {
        "instanceMemoryMB": memory,
        "maximumInstanceCount": instances,
        "alwaysReady": ready,
        "triggers": {"http": {"perInstanceConcurrency": concurrency}},
    }


def test_the_package_is_in_the_storage_of_the_host() -> None:
    storage = site().properties["functionAppConfig"]["deployment"]["storage"]
    settings = deployment().app_settings()
    (container,) = [one for one in deployment().all(CONTAINER) if "app-package" in one.name]
    host = settings["AzureWebJobsStorage__blobServiceUri"]
    assert storage["type"] == "blobContainer"
    assert storage["value"] == f"{host}app-package"
    assert host == f"https://{container.name.partition('/')[0]}.blob.core.windows.net/"
    assert storage["authentication"]["type"] == "UserAssignedIdentity"


@pytest.mark.parametrize(
    "name, expected",
    [("default", {"enabled": True, "days": 7}), ("options", {"enabled": False})],
)
def test_deleted_blobs_can_be_restored_for_a_week(name: str, expected: dict[str, Any]) -> None:
    """Unless that is switched off. Old versions of blobs are never kept."""
    services = deployment(name).all(f"{ACCOUNT}/blobServices")
    (data,) = [one for one in services if one.name.startswith("stdata")]
    assert data.properties == {
        "deleteRetentionPolicy": expected,
        "containerDeleteRetentionPolicy": expected,
        "isVersioningEnabled": False,
    }


def test_nothing_is_deployed_to_an_existing_account() -> None:
    """It gets roles and the lock; the account, its services and its containers stay as they are."""
    for name in ("existing-account", "existing-account-private-network"):
        storage = [one for one in deployment(name).resources if one.type.startswith(ACCOUNT)]
        assert storage
        assert [one.id for one in storage if "existingaccount" in one.id] == []


@pytest.mark.parametrize("hierarchical", [None, False, True])
def test_an_account_with_a_hierarchical_namespace_is_refused(
    *, hierarchical: bool | None, template: dict[str, Any]
) -> None:
    """Before anything is assigned to it. Azure leaves the property out where it was never set."""
    module = template["resources"]["existingStorage"]["properties"]["template"]
    assert module["resources"] == []
    assert "existingStorage" in template["resources"]["registryAccess"]["dependsOn"]
    properties = {} if hierarchical is None else {"isHnsEnabled": hierarchical}
    functions: Functions = {
        "if": lambda condition, then, otherwise: (then if condition else otherwise)(),
        "coalesce": lambda *values: next(one for one in values if one is not None),
        "tryGet": lambda value, name: value.get(name),
        "reference": lambda *_: properties,
        "fail": lambda message: partial(pytest.fail, message),
        "format": lambda text, *values: text.format(*values),
        "parameters": lambda name: name,
        "resourceId": lambda *parts: "/".join(parts),
        "true": lambda: lambda: True,
        "false": lambda: False,
    }
    expression = module["outputs"]["flat"]["value"]
    if hierarchical:
        with pytest.raises(pytest.fail.Exception, match="hierarchical namespace"):
            resolve(expression, functions)
    else:
        assert resolve(expression, functions) is True


def test_logs_are_bounded_and_kept_as_long_as_configured() -> None:
    for name, days, gigabytes in (("default", 30, 1), ("options", 90, 5)):
        workspace = deployment(name).one(WORKSPACE)
        assert workspace.properties["retentionInDays"] == days
        assert workspace.properties["workspaceCapping"] == {"dailyQuotaGb": gigabytes}
        component = deployment(name).one("Microsoft.Insights/components")
        assert component.properties["WorkspaceResourceId"] == workspace.id


def test_the_vault_is_protected_from_purging_on_request_only() -> None:
    """Azure rejects `false`."""
    assert deployment("options").one(VAULT).properties["enablePurgeProtection"] is True
    assert deployment().one(VAULT).properties["enablePurgeProtection"] is None


@pytest.mark.parametrize("name", ["alerts", "options"])
def test_alerts_reach_the_configured_recipient(name: str) -> None:
    """By email, or through an existing action group."""
    rules = deployment(name).all("Microsoft.Insights/scheduledQueryRules")
    recipients = [one.id for one in deployment(name).all("Microsoft.Insights/actionGroups")]
    recipients += re.findall(
        r"param actionGroupId = '(.+)'", path_of(name).with_name(f"{name}.bicepparam").read_text()
    )
    assert len(recipients) == 1
    assert len(rules) >= 2
    for rule in rules:
        assert rule.properties["actions"]["actionGroups"] == recipients
        assert rule.properties["scopes"] == [deployment(name).one(WORKSPACE).id]
        (criterion,) = rule.properties["criteria"]["allOf"]
        assert (criterion["operator"], criterion["timeAggregation"]) == ("GreaterThan", "Count")


def test_without_a_recipient_there_are_no_alerts() -> None:
    assert deployment().all("Microsoft.Insights/scheduledQueryRules") == []
    assert deployment().all("Microsoft.Insights/actionGroups") == []


def site(name: str = "default") -> Resource:
    return deployment(name).one(SITE)


def has(found: Any, required: Any) -> bool:
    """Whether all that is required is there, with exactly these values."""
    if isinstance(required, dict):
        return all(name in found and has(found[name], inner) for name, inner in required.items())
    return bool(found == required)
