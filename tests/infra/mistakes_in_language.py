"""Mistakes in Bicep itself: text, names, modules and parameters."""

from __future__ import annotations

from .mistakes import mistakes

LANGUAGE = (
    *mistakes(
        "infra/modules/app.bicep",
        {
            "a brace is missing": (
                "runtime: { name: 'python', version: '3.13' }",
                "runtime: { name: 'python', version: '3.13'",
                "not Bicep",
                "resource app ",
            ),
            "a comma is missing": ("'FC1', tier", "'FC1' tier", "two entries on one line"),
            "a value is missing": ("httpsOnly: true", "httpsOnly:", "not Bicep"),
            "a decorator decorates nothing": (
                "output hostName string = app.properties.defaultHostName",
                "",
                "must stand above a declaration",
                "@description('Name that the registry is reached by.')",
            ),
            "a resource is misspelt": ("plan.id", "plann.id", "plan is meant?"),
            "a type is misspelt": ("location string", "location text", "text is no type"),
            "a parameter is left over": (
                "virtualNetworkSubnetId: empty(subnetId) ? null : subnetId",
                "",
                "subnetId is declared and not used",
                "param subnetId",
            ),
        },
    ),
    *mistakes(
        "infra/main.bicep",
        {
            "a function is misspelt": ("toLower(unique", "tolower(unique", "toLower is meant?"),
            "a decorator is misspelt": ("@minLength", "@minlength", "minLength is meant?"),
            "a variable is left over": (
                "var tags = {",
                "var tagz = {}\nvar tags = {",
                "tagz is declared and not used",
            ),
            "a name is declared twice": (
                "var tags = {",
                "var location = ''\nvar tags = {",
                "location is declared twice",
                "param location string",
            ),
            "a variable needs itself": (
                "var newStorage = empty(existingStorageAccountName)",
                "var newStorage = empty(ownGroupName) && empty(storageGroupName)",
                "newStorage depends on itself",
            ),
            "a group is named after what is deployed": (
                "scope: resourceGroup(storageGroupName)",
                "scope: resourceGroup(identity.outputs.id)",
                "outputs is known only after a deployment",
            ),
            "a module is not there": (
                "'modules/identity.bicep'",
                "'modules/identities.bicep'",
                "modules/identity.bicep is meant?",
            ),
            "a module's parameter is misspelt": (
                "dailyCapGb: logDailyCapGb",
                "dailyCapGB: logDailyCapGb",
                "modules/monitoring.bicep has no parameter dailyCapGB; dailyCapGb is meant?",
            ),
            "a module's parameter is not given": (
                "    perInstanceConcurrency: perInstanceConcurrency\n",
                "",
                "app must be given perInstanceConcurrency",
                "module app 'modules/app.bicep'",
            ),
            "a module's parameter is of another type": (
                "retentionDays: logRetentionDays",
                "retentionDays: '${logRetentionDays}'",
                "retentionDays must be int, not string",
            ),
            "a module's outputs are misspelt": (
                "identityId: identity.outputs.id",
                "identityId: identity.output.id",
                "a module has no output; outputs is meant?",
            ),
            "a module's output is misspelt": (
                "hostStorage.outputs.packageContainerName",
                "hostStorage.outputs.packageContainer",
                "packageContainerName is meant?",
            ),
            "a module has no group to go to": (
                "  name: 'identity'\n  scope: group\n",
                "  name: 'identity'\n",
                "identity needs a scope",
                "module identity ",
            ),
            "two modules are deployed under one name": (
                "  name: 'host-storage'\n",
                "  name: 'registry-storage'\n",
                "hostStorage is deployed as registry-storage, as registryStorage is",
                "module hostStorage",
            ),
            "a default is not allowed": (
                "param authMode string = 'builtin'",
                "param authMode string = 'entra'",
                "authMode must be one of builtin, htpasswd, token, none",
            ),
            "a default is too small": (
                "param maximumInstanceCount int = 40",
                "param maximumInstanceCount int = 4",
                "below its minValue, 40",
            ),
            "a default is of another type": (
                "param privateNetwork bool = false",
                "param privateNetwork bool = 'false'",
                "privateNetwork must be bool, not string",
            ),
            "an output is of another type": (
                "output AZURE_RESOURCE_GROUP string = group.name",
                "output AZURE_RESOURCE_GROUP string = tags",
                "must be string, not object",
            ),
            "a file that is loaded is not there": (
                "loadJsonContent('abbreviations.json')",
                "loadJsonContent('abbreviation.json')",
                "there is no file abbreviation.json",
            ),
            "an abbreviation is misspelt": (
                "abbreviations.keyVaultVaults",
                "abbreviations.keyVaultVault",
                "keyVaultVaults is meant?",
            ),
        },
    ),
    *mistakes(
        "infra/main.parameters.json",
        {
            "a parameter is given that is none": (
                '"location"',
                '"region"',
                "has no parameter region",
            ),
            "a required parameter is not given": (
                '    "location": { "value": "${AZURE_LOCATION}" },\n',
                "",
                "location must be given",
                "{",
            ),
            "a value is given that is not allowed": (
                "${REGISTRY_AUTH=builtin}",
                "ldap",
                "authMode must be one of builtin",
            ),
            "a list is left to azd": (
                '"registrySettings": { "value": {} }',
                '"registrySettings": { "value": "${REGISTRY_SETTINGS}" }',
                "registrySettings is an object",
            ),
            "azd would hand on nothing for a default": (
                "${REGISTRY_AUTH=builtin}",
                "${REGISTRY_AUTH}",
                "say ${NAME=default}",
            ),
            "a secret stands in a file": (
                "${REGISTRY_HTTP_SECRET}",
                "0123456789abcdef0123456789abcdef",
                "httpSecret is secret",
            ),
        },
    ),
    *mistakes(
        "azure.yaml",
        {
            "a service is somewhere else": ("project: .", "project: ./app", "no Functions app"),
            "a service has another name than its tag": (
                "  app:\n    project",
                "  registry:\n    project",
                "no resource has the tag azd-service-name",
            ),
            "a service is of another language": ("python\n", "dotnet\n", "language must be python"),
            "a hook runs what is not there": (
                "infra/azd_hooks.py",
                "infra/hooks.py",
                "no file infra/hooks.py",
            ),
        },
    ),
)
