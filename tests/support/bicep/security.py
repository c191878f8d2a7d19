"""What must hold of every resource of a type, written out where one can read it."""

from __future__ import annotations

from collections.abc import Iterator

from .declarations import File, Resource, Scalar
from .expressions import Array, Property, literal
from .syntax import Problem
from .template import Template

# By type: the path of a property, and what it may be.
MUSTS: dict[str, dict[str, tuple[Scalar, ...]]] = {
    "Microsoft.Storage/storageAccounts": {
        "properties.allowSharedKeyAccess": (False,),
        "properties.allowBlobPublicAccess": (False,),
        "properties.minimumTlsVersion": ("TLS1_2", "TLS1_3"),
        "properties.supportsHttpsTrafficOnly": (True,),
        "properties.allowCrossTenantReplication": (False,),
    },
    "Microsoft.Storage/storageAccounts/blobServices/containers": {
        "properties.publicAccess": ("None",),
    },
    "Microsoft.Web/sites": {
        "properties.httpsOnly": (True,),
        "properties.siteConfig.minTlsVersion": ("1.2", "1.3"),
        "properties.siteConfig.scmMinTlsVersion": ("1.2", "1.3"),
        "properties.siteConfig.ftpsState": ("Disabled",),
    },
    "Microsoft.KeyVault/vaults": {
        "properties.enableRbacAuthorization": (True,),
    },
    "Microsoft.OperationalInsights/workspaces": {
        "properties.features.disableLocalAuth": (True,),
    },
    "Microsoft.Insights/components": {
        "properties.DisableLocalAuth": (True,),
    },
}

_SITE = "Microsoft.Web/sites"
_PUBLISHING = f"{_SITE}/basicPublishingCredentialsPolicies"


def security_problems(template: Template) -> Iterator[Problem]:
    for file, resource in template.resources():
        if resource.existing:
            continue
        for path, allowed in MUSTS.get(resource.type, {}).items():
            value = resource.body.get(*path.split("."))
            if literal(value) not in allowed or value is None:
                wanted = " or ".join(str(one) for one in allowed)
                line = value.line if value else resource.line
                yield Problem(
                    file.path, line, f"{resource.name}: {path} must be {wanted}, written out"
                )
        if resource.type == _SITE:
            yield from _publishing(file, resource)
        yield from _anybody(file, resource)


def _publishing(file: File, site: Resource) -> Iterator[Problem]:
    """Passwords that publish are on until a policy of the app says otherwise, one for each way."""
    policies = {
        literal(one.body.get("name")): one for one in file.all(Resource) if one.type == _PUBLISHING
    }
    for way in ("ftp", "scm"):
        policy = policies.get(way)
        allow = policy.body.get("properties", "allow") if policy else None
        if allow is None or literal(allow) is not False:
            line = policy.line if policy else site.line
            message = f"{site.name}: basic publishing by {way} must be off: allow: false"
            yield Problem(file.path, line, message)


def _anybody(file: File, resource: Resource) -> Iterator[Problem]:
    for part in resource.value.walk():
        if not isinstance(part, Property):
            continue
        if part.key == "allowedOrigins" and isinstance(part.value, Array):
            for item in part.value.items:
                if literal(item) == "*":
                    yield Problem(file.path, item.line, "allowedOrigins: name them, never '*'")
        if part.key == "accessPolicies" and part.value != Array(part.value.line, ()):
            message = "accessPolicies go round the vault's roles: assign a role instead"
            yield Problem(file.path, part.line, message)
