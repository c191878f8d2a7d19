"""The deployments that the compiler predicts, one for each file of parameters in `settings/`.

`settings/NAME.snapshot.json` is what the compiler predicts for `settings/NAME.bicepparam`. It is
in the repository, so that a change of the template shows as a change of resources. To renew all:

    .venv/bin/python -m tests.infra.snapshots
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from registry_core.auth.sources.htpasswd import LEAST_COST, htpasswd_line
from registry_core.auth.tokens.keys import SigningKey
from tests.support.bicep import bicep

from .arm_expressions import Functions, resolve

SETTINGS = Path(__file__).parent / "settings"
NAMES = sorted(path.stem for path in SETTINGS.glob("*.bicepparam"))

# What a snapshot takes from the deployment rather than from the parameters.
CONTEXT = (
    *("--subscription-id", "11111111-1111-1111-1111-111111111111"),
    *("--tenant-id", "22222222-2222-2222-2222-222222222222"),
    *("--location", "westeurope"),
    *("--deployment-name", "sample"),
)

HTTP_SECRET = "d9f4c1e2a7b850364f1b6e0c8d2793aa"
CLIENT_ID = "55555555-5555-5555-5555-555555555555"
PRINCIPAL_ID = "66666666-6666-6666-6666-666666666666"
HOST_CLIENT_ID = "88888888-8888-8888-8888-888888888888"
HOST_PRINCIPAL_ID = "99999999-9999-9999-9999-999999999999"


# Types of resources that apply to another resource.
_EXTENSIONS = {
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Authorization/locks",
    "Microsoft.Insights/diagnosticSettings",
}


@dataclass(frozen=True)
class Resource:
    """A resource that would be deployed.

    :ivar id: as predicted: an expression where it depends on a value that only Azure knows.
    :ivar scope: the ID of the resource that a role assignment, a lock or a diagnostic setting
        applies to, else empty.
    :ivar body: every expression in it is evaluated, with sample values for what only Azure knows.
    """

    type: str
    id: str
    scope: str
    name: str
    body: dict[str, Any]

    @property
    def properties(self) -> dict[str, Any]:
        properties: dict[str, Any] = self.body.get("properties", {})
        return properties


@dataclass(frozen=True)
class Deployment:
    """What a setting deploys: the resources and the outputs."""

    resources: Sequence[Resource]
    outputs: dict[str, Any]

    def all(self, kind: str) -> list[Resource]:
        """Return the resources of a type."""
        return [resource for resource in self.resources if resource.type == kind]

    def one(self, kind: str, name: str = "") -> Resource:
        """Return the only resource of a type, or the one with that type and name."""
        (found,) = [one for one in self.all(kind) if name in ("", one.name)]
        return found

    def app_settings(self) -> dict[str, str]:
        """Return the app settings as deployed, with references to the vault."""
        return self.one("Microsoft.Web/sites/config").properties

    def environment(self) -> dict[str, str]:
        """Return what the app's process reads: app settings with references to the vault resolved.

        :raises KeyError: a reference names a secret that is not deployed.
        """
        vault = self.one("Microsoft.KeyVault/vaults").name
        secrets = {
            f"@Microsoft.KeyVault(SecretUri=https://{vault}.vault.azure.net/secrets/"
            f"{secret.name.partition('/')[2]})": secret.properties["value"]
            for secret in self.all("Microsoft.KeyVault/vaults/secrets")
        }
        resolved = {
            name: secrets[value] if value.startswith("@Microsoft.KeyVault(") else value
            for name, value in self.app_settings().items()
        }
        return resolved | {"WEBSITE_SITE_NAME": self.one("Microsoft.Web/sites").name}


@cache
def deployment(name: str = "default") -> Deployment:
    """Return the deployment that a setting's snapshot predicts."""
    snapshot = json.loads(path_of(name).read_text())
    found = snapshot["predictedResources"]
    (vault,) = [one["name"] for one in found if one["type"] == "Microsoft.KeyVault/vaults"]
    functions = _functions(_parameters(name, vault))
    resources = []
    for predicted in found:
        if resolve(predicted.pop("condition", True), functions):
            identifier = predicted.pop("id")
            body = resolve(predicted, functions)
            scope = _scope(identifier, body["type"], functions)
            resources.append(Resource(body["type"], identifier, scope, body["name"], body))
    return Deployment(tuple(resources), resolve(snapshot["outputs"], functions))


def path_of(name: str) -> Path:
    return SETTINGS / f"{name}.snapshot.json"


@cache
def signing_key() -> str:
    return SigningKey.generate().pem()


@cache
def users() -> str:
    return htpasswd_line("alice", "correct horse battery", LEAST_COST)


def _scope(identifier: str, kind: str, functions: Functions) -> str:
    if kind not in _EXTENSIONS:
        return ""
    scope, _, _ = str(resolve(identifier, functions)).rpartition("/providers/")
    return scope


def _parameters(name: str, vault: str) -> dict[str, str]:
    """Return the parameters that the expressions of a snapshot refer to.

    These are secrets and what a module uses beside one: the compiler cannot evaluate a condition
    on a secret, and leaves its branches as they are written in the module.
    """
    text = (SETTINGS / f"{name}.bicepparam").read_text()
    given = dict(re.findall(r"(?m)^param (\w+) = '(.*)'$", text))
    return {
        "authMode": given.get("authMode", "builtin"),
        "vaultUri": f"https://{vault}.vault.azure.net/",
        "httpSecret": HTTP_SECRET,
        "signingKeyBase64": _base64(signing_key()) if "signingKeyBase64" in given else "",
        "usersBase64": _base64(users()) if "usersBase64" in given else "",
    }


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _functions(parameters: dict[str, str]) -> Functions:
    return {
        "base64ToString": lambda text: base64.b64decode(text).decode(),
        "createArray": lambda *items: list(items),
        "createObject": lambda *items: dict(zip(items[::2], items[1::2], strict=True)),
        "contains": lambda container, item: item in container,
        "empty": lambda value: not value,
        "environment": lambda: {
            "suffixes": {"storage": "core.windows.net", "keyvaultDns": ".vault.azure.net"}
        },
        "extensionResourceId": lambda scope, kind, name: f"{scope}/providers/{kind}/{name}",
        "format": lambda text, *values: text.format(*values),
        "guid": lambda *parts: str(uuid.uuid5(uuid.NAMESPACE_URL, "-".join(parts))),
        "if": lambda condition, then, otherwise: then if condition else otherwise,
        "and": lambda *conditions: all(conditions),
        "not": lambda condition: not condition,
        "parameters": lambda name: parameters[name],
        "reference": lambda identifier, _version: _known_to_azure(identifier.rpartition("/")[2]),
        "replace": lambda text, old, new: text.replace(old, new),
        "resourceId": lambda subscription, group, kind, name: (
            f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{kind}/{name}"
        ),
        "union": lambda first, *others: {
            name: value for each in (first, *others) for name, value in each.items()
        },
    }


def _known_to_azure(name: str) -> dict[str, Any]:
    """Sample values of the properties that Azure gives a resource of that name."""
    of_host = name.startswith("id-host-")
    return {
        "clientId": HOST_CLIENT_ID if of_host else CLIENT_ID,
        "principalId": HOST_PRINCIPAL_ID if of_host else PRINCIPAL_ID,
        "ConnectionString": "InstrumentationKey=77777777-7777-7777-7777-777777777777",
        "defaultHostName": f"{name}.azurewebsites.net",
        "primaryEndpoints": {"blob": f"https://{name}.blob.core.windows.net/"},
        "vaultUri": f"https://{name}.vault.azure.net/",
    }


def predict(name: str, settings: Path) -> str:
    """Have the compiler write a setting's snapshot in a folder, and return it with sorted outputs.

    The compiler's own `--mode validate` does not look at outputs, and writes them in random order.
    """
    parameters = settings / f"{name}.bicepparam"
    ran = bicep("snapshot", str(parameters), "--mode", "overwrite", *CONTEXT)
    assert ran.returncode == 0, ran.stderr
    snapshot = json.loads((settings / f"{name}.snapshot.json").read_text())
    snapshot["outputs"] = dict(sorted(snapshot["outputs"].items()))
    return f"{json.dumps(snapshot, indent=2, ensure_ascii=False)}\n"


if __name__ == "__main__":
    for setting in NAMES:
        path_of(setting).write_text(predict(setting, SETTINGS))
