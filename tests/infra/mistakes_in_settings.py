"""Mistakes in the app's settings, and secrets that get out."""

from __future__ import annotations

from .mistakes import mistakes

SETTINGS = (
    *mistakes(
        "infra/modules/app-settings.bicep",
        {
            "a setting of the registry is misspelt": (
                "REGISTRY_STORAGE_AZURE_CONTAINER:",
                "REGISTRY_STORAGE_AZURE_CONTAINERNAME:",
                "nobody reads REGISTRY_STORAGE_AZURE_CONTAINERNAME",
            ),
            "a setting of the host is misspelt": (
                "AzureWebJobsStorage__clientId:",
                "AzureWebJobsStorage__clientID:",
                "AzureWebJobsStorage__clientId is meant?",
            ),
            "a setting is refused by the plan": (
                "AzureWebJobsDisableHomepage: 'true'",
                "FUNCTIONS_WORKER_RUNTIME: 'python'",
                "refused by Flex Consumption",
            ),
            "storage is opened by a key": (
                "AzureWebJobsStorage__blobServiceUri: hostBlobEndpoint",
                "AzureWebJobsStorage: hostBlobEndpoint",
                "holds an account key",
            ),
            "a secret is set in plain": (
                "'@Microsoft.KeyVault(SecretUri=${secrets}/http-secret)'",
                "'correct horse battery staple'",
                "@Microsoft.KeyVault(SecretUri=...) must stand here",
            ),
            "a key is fetched": (
                "AZURE_CLIENT_ID: identityClientId",
                "AZURE_CLIENT_ID: app.listKeys().keys[0].value",
                "listKeys() fetches a key",
            ),
        },
    ),
    *mistakes(
        "infra/modules/vault.bicep",
        {
            "a secret is shown by an output": (
                "output id string = vault.id",
                "output id string = '${vault.id}${httpSecret}'",
                "output id would show it",
            ),
            "a secret is a tag": (
                "  tags: tags\n",
                "  tags: { secret: httpSecret }\n",
                "httpSecret is secret: vault must not hold it",
                "resource vault ",
            ),
            "a module does not keep a secret": (
                "@secure()\nparam users string",
                "param users string",
                "users of modules/vault.bicep needs @secure()",
                "    users: empty(usersBase64)",
                "infra/main.bicep",
            ),
        },
    ),
    *mistakes(
        "infra/main.bicep",
        {
            "a secret is a plain parameter": (
                "@secure()\n@minLength(16)\n",
                "@minLength(16)\n",
                "httpSecret needs @secure()",
                "param httpSecret",
            ),
            "a secret has a default": (
                "param httpSecret string",
                "param httpSecret string = 'correct horse battery staple'",
                "httpSecret is secret: no default but ''",
            ),
            "a secret goes where it does not belong": (
                "customHost: customHost",
                "customHost: signingKeyBase64",
                "signingKeyBase64 is secret: customHost of modules/app-settings.bicep",
            ),
        },
    ),
)
