"""The deployments that the compiler predicts, one for each file of parameters in `settings/`.

Each `settings/NAME.snapshot.json` is the compiler's own prediction, in the repository: a change of
the template shows there as a change of resources. To renew all of them after a change:

    .venv/bin/python -m tests.infra.snapshots
"""

from __future__ import annotations

import base64
import json
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from registry_core.auth.htpasswd_file import LEAST_COST, htpasswd_line
from registry_core.auth.signing_key import SigningKey
from tests.house.tree import PROJECT
from tests.support import bicep

from .arm_expressions import Functions, resolve

SETTINGS = Path(__file__).parent / "settings"
NAMES = sorted(path.stem for path in SETTINGS.glob("*.bicepparam"))
RENEW = "python -m tests.infra.snapshots"

HTTP_SECRET = "d9f4c1e2a7b85036"
CLIENT_ID = "55555555-5555-5555-5555-555555555555"
PRINCIPAL_ID = "66666666-6666-6666-6666-666666666666"


@dataclass(frozen=True)
class Resource:
    """A resource that would be deployed.

    `id` is the compiler's: an expression where it depends on a value that only Azure knows. `scope` is
    the ID of the resource that a role assignment or a lock applies to, empty for other types.
    `body` has every expression evaluated, with sample values for what only Azure knows.
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
    functions = _functions(_parameters(name))
    resources = []
    for predicted in snapshot["predictedResources"]:
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
    if kind not in ("Microsoft.Authorization/roleAssignments", "Microsoft.Authorization/locks"):
        return ""
    scope, _, _ = str(resolve(identifier, functions)).rpartition("/providers/")
    return scope


def _parameters(name: str) -> dict[str, Any]:
    """The parameters that expressions in a snapshot refer to: secrets, and what goes with them."""
    given = (SETTINGS / f"{name}.bicepparam").read_text()
    has_key, has_users = "param signingKeyBase64" in given, "param usersBase64" in given
    return {
        "httpSecret": HTTP_SECRET,
        "signingKeyBase64": base64.b64encode(signing_key().encode()).decode() if has_key else "",
        "usersBase64": base64.b64encode(users().encode()).decode() if has_users else "",
    }


def _functions(parameters: dict[str, Any]) -> Functions:
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
    return {
        "clientId": CLIENT_ID,
        "principalId": PRINCIPAL_ID,
        "ConnectionString": "InstrumentationKey=77777777-7777-7777-7777-777777777777",
        "defaultHostName": f"{name}.azurewebsites.net",
        "primaryEndpoints": {"blob": f"https://{name}.blob.core.windows.net/"},
        "vaultUri": f"https://{name}.vault.azure.net/",
    }


def renew() -> None:
    """Write all snapshots anew, with the outputs sorted: the compiler's order is random."""
    for name in NAMES:
        parameters = SETTINGS / f"{name}.bicepparam"
        ran = bicep.run("snapshot", parameters, "--mode", "overwrite", *bicep.SNAPSHOT_CONTEXT)
        if ran.returncode:
            sys.exit(ran.stderr)
        snapshot = json.loads(path_of(name).read_text())
        snapshot["outputs"] = dict(sorted(snapshot["outputs"].items()))
        path_of(name).write_text(f"{json.dumps(snapshot, indent=2, ensure_ascii=False)}\n")
        print(f"wrote {path_of(name).relative_to(PROJECT)}")


if __name__ == "__main__":
    renew()
