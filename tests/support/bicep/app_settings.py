"""The app's settings as the template sets them: somebody reads each, and secrets are references."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from registry_core.config import table as config

from .declarations import File, Parameter, Resource, Variable
from .deployment import Deployed
from .expressions import Array, Call, Choice, Expression, Name, Object, Text, literal
from .symbols import nearest
from .syntax import Problem
from .template import Template

_HOST = "the Functions host"
_IDENTITY = "azure-identity"
PLATFORM = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "Application Insights, in the Functions host",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "Application Insights, in the Functions host",
    "AzureWebJobsDisableHomepage": _HOST,
    "AzureWebJobsStorage__accountName": _HOST,
    "AzureWebJobsStorage__blobServiceUri": _HOST,
    "AzureWebJobsStorage__clientId": _HOST,
    "AzureWebJobsStorage__credential": _HOST,
    "AzureWebJobsStorage__queueServiceUri": _HOST,
    "AzureWebJobsStorage__tableServiceUri": _HOST,
    "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": _HOST,
    "AZURE_CLIENT_ID": _IDENTITY,
    "AZURE_TENANT_ID": _IDENTITY,
    "AZURE_TOKEN_CREDENTIALS": _IDENTITY,
}
"""Settings that are not the registry's, and who reads them."""

REFUSED = frozenset(
    {
        "FUNCTIONS_WORKER_RUNTIME",
        "FUNCTIONS_EXTENSION_VERSION",
        "WEBSITE_RUN_FROM_PACKAGE",
        "SCM_DO_BUILD_DURING_DEPLOYMENT",
        "ENABLE_ORYX_BUILD",
    }
)
"""What Flex Consumption keeps elsewhere, and does not take as settings."""

KEYS = frozenset({config.ACCOUNT_KEY, config.CONNECTION_STRING, "AzureWebJobsStorage"})
SECRETS = frozenset(
    {
        config.HTTP_SECRET,
        config.HTPASSWD_PATH,
        config.BUILTIN_SIGNINGKEY,
        "REGISTRY_AUTH_BUILTIN_PREVIOUSKEY",
    }
)
_REFERENCE = re.compile(
    r"@Microsoft\.KeyVault\(SecretUri=https://([a-z0-9-]+)\.vault\.azure\.net/secrets/([\w-]+)/?\)"
)


@dataclass(frozen=True)
class Entry:
    name: str
    value: Expression
    line: int


def setting_problems(template: Template) -> Iterator[Problem]:
    for file, resource in template.resources():
        for found in _settings_of(file, resource):
            if isinstance(found, Problem):
                yield found
                continue
            for message in _problems(found):
                yield Problem(file.path, found.line, message)


def _settings_of(file: File, resource: Resource) -> Iterator[Entry | Problem]:
    if resource.type == "Microsoft.Web/sites":
        listed = resource.body.get("properties", "siteConfig", "appSettings")
        items = listed.items if isinstance(listed, Array) else ()
        for item in items:
            if isinstance(item, Object) and (value := item.get("value")):
                yield Entry(str(literal(item.get("name"))), value, item.line)
    if resource.type == "Microsoft.Web/sites/config":
        value = resource.body.get("properties")
        if value is not None and literal(resource.body.get("name")) == "appsettings":
            yield from _entries(file, value)


def _entries(file: File, value: Expression) -> Iterator[Entry | Problem]:
    """Whatever the value can hold. What a parameter brings is for its giver to answer for."""
    if isinstance(value, Object):
        yield from (Entry(one.key, one.value, one.line) for one in value.properties)
    elif isinstance(value, Choice):
        yield from _entries(file, value.then)
        yield from _entries(file, value.otherwise)
    elif isinstance(value, Call) and value.function == "union":
        for argument in value.arguments:
            yield from _entries(file, argument)
    elif isinstance(value, Name) and (variable := file.named(Variable, value.name)):
        yield from _entries(file, variable.value)
    elif not (isinstance(value, Name) and file.named(Parameter, value.name)):
        yield Problem(file.path, value.line, "settings must be objects, union() or ?: of them")


def _problems(entry: Entry) -> Iterator[str]:
    name = entry.name
    if name in REFUSED:
        yield f"{name} is refused by Flex Consumption: remove it"
    elif name in KEYS:
        yield f"{name} holds an account key: the app signs in as its identity, remove it"
    elif name not in PLATFORM and name not in config.SETTINGS:
        yield f"nobody reads {name}; {nearest(name, {*PLATFORM, *config.SETTINGS})}"
    elif name in SECRETS and not _is_reference(entry.value):
        yield f"{name} is secret: @Microsoft.KeyVault(SecretUri=...) must stand here"


def _is_reference(value: Expression) -> bool:
    first = value.pieces[0] if isinstance(value, Text) and value.pieces else ""
    return isinstance(first, str) and first.startswith("@Microsoft.KeyVault(")


def app_settings(deployed: list[Deployed]) -> dict[str, str]:
    """The settings that the app gets, references to the vault still unresolved."""
    found: dict[str, str] = {}
    for one in deployed:
        if one.type == "Microsoft.Web/sites":
            listed = one.body["properties"].get("siteConfig", {}).get("appSettings", [])
            found |= {item["name"]: item["value"] for item in listed}
        if one.type == "Microsoft.Web/sites/config" and one.name == "appsettings":
            found |= one.body["properties"]
    return found


def resolved(settings: dict[str, str], deployed: list[Deployed]) -> dict[str, str]:
    """As the app reads them: with what the vault holds in place of the references.

    :raises KeyError: a reference names a secret that is not deployed.
    """
    vault = {
        (one.parent, one.name): one.body["properties"]["value"]
        for one in deployed
        if one.type == "Microsoft.KeyVault/vaults/secrets"
    }
    found = dict(settings)
    for name, value in settings.items():
        if value.startswith("@Microsoft.KeyVault("):
            match = _REFERENCE.fullmatch(value)
            found[name] = vault[match[1], match[2]] if match else vault["", value]
    return found
