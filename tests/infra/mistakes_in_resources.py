"""Mistakes in what is deployed: properties, versions, roles, and what must hold of all of it."""

from __future__ import annotations

from .mistakes import mistakes

_BICEP = "infra/modules"

RESOURCES = (
    *mistakes(
        f"{_BICEP}/app.bicep",
        {
            "a property is misspelt": ("httpsOnly: true", "httpOnly: true", "httpsOnly is meant?"),
            "a property deep down is misspelt": (
                "http: { perInstanceConcurrency:",
                "http: { perInstanceConcurency:",
                "perInstanceConcurrency is meant?",
            ),
            "a value is none of those that there are": (
                "ftpsState: 'Disabled'",
                "ftpsState: 'Off'",
                "ftpsState cannot be 'Off'; there are: AllAllowed, Disabled, FtpsOnly",
            ),
            "a number is a text": (
                "? [{ name: 'http', instanceCount: alwaysReadyInstances }]",
                "? [{ name: 'http', instanceCount: '1' }]",
                "instanceCount must be int, not string",
            ),
            "a property can only be read": (
                "    httpsOnly: true",
                "    httpsOnly: true\n    defaultHostName: 'registry.example.com'",
                "defaultHostName can only be read",
                "defaultHostName: 'registry",
            ),
            "a property is set twice": (
                "    httpsOnly: true",
                "    httpsOnly: true\n    httpsOnly: true",
                "httpsOnly is set twice",
            ),
            "a required property is missing": (
                "  location: location\n",
                "",
                "Microsoft.Web/serverfarms needs location",
                "resource plan",
            ),
            "what is read is not there": (
                "app.properties.defaultHostName",
                "app.properties.hostName",
                "app has no properties.hostName",
            ),
            "plain HTTP is taken": (
                "httpsOnly: true",
                "httpsOnly: false",
                "httpsOnly must be True",
            ),
            "old TLS is taken": (
                "minTlsVersion: '1.2'",
                "minTlsVersion: '1.0'",
                "minTlsVersion must be 1.2 or 1.3",
            ),
            "a password publishes by FTP": (
                "properties: { allow: false }",
                "properties: { allow: true }",
                "basic publishing by ftp must be off",
                "resource noFtpPassword",
            ),
            "a password publishes through SCM": (
                "  name: 'scm'",
                "  name: 'ftp'",
                "basic publishing by scm must be off",
                "resource app ",
            ),
            "every page may call": (
                "    siteConfig: {",
                "    siteConfig: {\n      cors: { allowedOrigins: ['*'] }",
                "allowedOrigins: name them",
            ),
            "the tag names another service": (
                "'azd-service-name': 'app'",
                "'azd-service-name': 'api'",
                "azure.yaml has no service api",
            ),
            "a version is no date": (
                "serverfarms@2024-04-01",
                "serverfarms@2024-04",
                "a version is a date",
            ),
            "a version is in the future": (
                "serverfarms@2024-04-01",
                "serverfarms@2999-04-01",
                "is in the future",
            ),
            "a version is a preview": (
                "serverfarms@2024-04-01",
                "serverfarms@2024-04-01-preview",
                "take no preview",
            ),
            "a version is unknown": (
                "serverfarms@2024-04-01",
                "serverfarms@2024-04-11",
                "2024-04-01 is meant?",
            ),
            "a type is unknown": ("Web/serverfarms@", "Web/serverFarm@", "no model of"),
            "versions differ": ("sites@2024-04-01", "sites@2023-12-01", "2024-04-01 elsewhere"),
            "nested in what it is not of": (
                "  parent: app\n",
                "  parent: plan\n",
                "must be a Microsoft.Web/sites, not a Microsoft.Web/serverfarms",
                "resource noFtpPassword",
            ),
        },
    ),
    *mistakes(
        f"{_BICEP}/registry-storage.bicep",
        {
            "keys open the account": (
                "allowSharedKeyAccess: false",
                "allowSharedKeyAccess: true",
                "allowSharedKeyAccess must be False",
            ),
            "keys are not spoken of": (
                "    allowSharedKeyAccess: false\n",
                "",
                "allowSharedKeyAccess must be False",
                "resource account",
            ),
            "anybody may read": ("publicAccess: 'None'", "publicAccess: 'Blob'", "must be None"),
            "containers may be public": (
                "allowBlobPublicAccess: false",
                "allowBlobPublicAccess: true",
                "allowBlobPublicAccess must be False",
            ),
            "a variable's property is misspelt": (
                "{ enabled: false }",
                "{ enable: false }",
                "enabled is meant?",
            ),
        },
    ),
    *mistakes(
        f"{_BICEP}/registry-access.bicep",
        {
            "a role's GUID is misspelt": (
                "'ba92f5b4-2d11-453d-a403-e96b0029c9fe'",
                "'ba92f5b4-2d11-453d-a403-e96b0029c9ff'",
                "none of the roles that the app may have",
                "resource data ",
            ),
            "a role is given on too much": (
                "scope: account::blobs::container",
                "scope: account",
                "Storage Blob Data Contributor belongs on a",
                "resource data ",
            ),
            "a role is assigned anew each time": (
                "guid(account.id, principalId, blobDelegator)",
                "guid(account.id, principalId, newGuid())",
                "guid() must be of scope, principal and role alone",
                "resource delegation",
            ),
            "a principal's type is not told": (
                "    principalType: 'ServicePrincipal'\n",
                "",
                "needs principalType: 'ServicePrincipal'",
                "resource data ",
            ),
        },
    ),
    *mistakes(
        f"{_BICEP}/vault.bicep",
        {
            "a role has no reason": (
                "\nresource access '",
                "\n\nresource access '",
                "needs its reason",
                "resource access",
            ),
            "the vault has policies of its own": (
                "enableRbacAuthorization: true",
                "enableRbacAuthorization: false",
                "enableRbacAuthorization must be True",
            ),
        },
    ),
    *mistakes(
        f"{_BICEP}/monitoring.bicep",
        {
            "anybody may write logs": (
                "DisableLocalAuth: true",
                "DisableLocalAuth: false",
                "DisableLocalAuth must be True",
            ),
            "a property's letters are of another case": (
                "DisableLocalAuth: true",
                "disableLocalAuth: true",
                "DisableLocalAuth is meant?",
            ),
        },
    ),
    *mistakes(
        f"{_BICEP}/alerts.bicep",
        {
            "an operator is misspelt": (
                "operator: 'GreaterThan'",
                "operator: 'GreaterThen'",
                "GreaterThan is meant?",
            ),
        },
    ),
)
