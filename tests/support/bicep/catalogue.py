"""Which REST model each type of resource has.

From Azure's management packages, in their newest version: a property that came after the API
version that a template names is not found out. Where a package would be installed for a handful of
names, they are written here, from the resource's page in Microsoft Learn's template reference.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache

from .shapes import Field, written


@dataclass(frozen=True)
class Models:
    """The package below `azure.mgmt`; what is put; and what is got, if that is another model."""

    package: str
    put: str
    got: str = ""


_STORAGE = "Microsoft.Storage/storageAccounts"
MODELS = {
    "Microsoft.Web/serverfarms": Models("web", "AppServicePlan"),
    "Microsoft.Web/sites": Models("web", "Site"),
    "Microsoft.Web/sites/config/appsettings": Models("web", "StringDictionary"),
    "Microsoft.Web/sites/config/web": Models("web", "SiteConfigResource"),
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": Models(
        "web", "CsmPublishingCredentialsPoliciesEntity"
    ),
    "Microsoft.Web/sites/hostNameBindings": Models("web", "HostNameBinding"),
    _STORAGE: Models("storage", "StorageAccountCreateParameters", "StorageAccount"),
    f"{_STORAGE}/blobServices": Models("storage", "BlobServiceProperties"),
    f"{_STORAGE}/blobServices/containers": Models("storage", "BlobContainer"),
    f"{_STORAGE}/managementPolicies": Models("storage", "ManagementPolicy"),
    f"{_STORAGE}/queueServices": Models("storage", "QueueServiceProperties"),
    "Microsoft.KeyVault/vaults": Models("keyvault", "VaultCreateOrUpdateParameters", "Vault"),
    "Microsoft.KeyVault/vaults/secrets": Models(
        "keyvault", "SecretCreateOrUpdateParameters", "Secret"
    ),
    "Microsoft.Network/virtualNetworks": Models("network", "VirtualNetwork"),
    "Microsoft.Network/virtualNetworks/subnets": Models("network", "Subnet"),
    "Microsoft.Network/networkSecurityGroups": Models("network", "NetworkSecurityGroup"),
    "Microsoft.Network/privateEndpoints": Models("network", "PrivateEndpoint"),
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": Models(
        "network", "PrivateDnsZoneGroup"
    ),
    "Microsoft.OperationalInsights/workspaces": Models("loganalytics", "Workspace"),
    "Microsoft.Insights/components": Models(
        "applicationinsights.v2020_02_02", "ApplicationInsightsComponent"
    ),
    "Microsoft.Insights/actionGroups": Models("monitor", "ActionGroupResource"),
    "Microsoft.Insights/metricAlerts": Models("monitor", "MetricAlertResource"),
    "Microsoft.Insights/scheduledQueryRules": Models("monitor", "ScheduledQueryRuleResource"),
}

_PLACED = {"location": "string", "tags": "map"}
WRITTEN = {
    "Microsoft.Resources/resourceGroups": written(_PLACED | {"managedBy": "string"}, "location"),
    "Microsoft.ManagedIdentity/userAssignedIdentities": written(
        _PLACED
        | {
            "properties.isolationScope": "string",
            "properties.clientId": "string",
            "properties.principalId": "string",
            "properties.tenantId": "string",
        },
        "location",
    ),
    "Microsoft.Authorization/roleAssignments": written(
        {
            "properties.condition": "string",
            "properties.conditionVersion": "string",
            "properties.delegatedManagedIdentityResourceId": "string",
            "properties.description": "string",
            "properties.principalId": "string",
            "properties.principalType": "string",
            "properties.roleDefinitionId": "string",
        },
        "properties.principalId properties.roleDefinitionId",
    ),
    "Microsoft.Authorization/locks": written(
        {"properties.level": "string", "properties.notes": "string", "properties.owners": "array"},
        "properties.level",
    ),
    "Microsoft.Network/privateDnsZones": written(_PLACED | {"etag": "string"}, "location"),
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": written(
        _PLACED
        | {
            "etag": "string",
            "properties.registrationEnabled": "bool",
            "properties.resolutionPolicy": "string",
            "properties.virtualNetwork.id": "string",
        },
        "location properties.virtualNetwork.id",
    ),
}


def body_of(kind: str, name: str | None) -> Field | None:
    """What a resource may be given; None for a type that is not known here.

    ``name`` is the resource's, where it is written out: each `config` of an app has its own model.
    """
    return _field(_key(kind, name), read=False)


def answer_of(kind: str, name: str | None) -> Field | None:
    """What may be read of it."""
    return _field(_key(kind, name), read=True)


def _key(kind: str, name: str | None) -> str:
    return f"{kind}/{name}" if kind == "Microsoft.Web/sites/config" else kind


def _field(key: str, *, read: bool) -> Field | None:
    return _model(MODELS[key], read=read) if key in MODELS else WRITTEN.get(key)


@cache
def _model(models: Models, *, read: bool) -> Field:
    module = importlib.import_module(f"azure.mgmt.{models.package}.models")
    name = models.got if read and models.got else models.put
    return Field("object", model=getattr(module, name))
