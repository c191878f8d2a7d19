"""Bicep's functions, as far as infra/ uses them; what only Azure knows is made up, and stays so."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Callable
from typing import Any

SUBSCRIPTION = "/subscriptions/11111111-1111-1111-1111-111111111111"
_GROUP = f"{SUBSCRIPTION}/resourceGroups/rg-sample"


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, (str, list, dict)) and not value)


def _union(first: Any, *others: Any) -> Any:
    """Of objects: later ones win. Of arrays: what is in either, once."""
    for other in others:
        if isinstance(first, dict):
            first = {**first, **other}
        else:
            first = first + [item for item in other if item not in first]
    return first


def _contains(container: Any, item: Any) -> bool:
    if isinstance(container, dict):
        return str(item).lower() in {key.lower() for key in container}
    return item in container


def _unique_string(*parts: Any) -> str:
    """13 lowercase letters and digits, the same for the same parts."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:13]


def _string(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _concat(*parts: Any) -> Any:
    if isinstance(parts[0], list):
        return [item for part in parts for item in part]
    return "".join(_string(part) for part in parts)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64ToString": lambda text: base64.b64decode(text, validate=True).decode(),
    "concat": _concat,
    "contains": _contains,
    "empty": _empty,
    "endsWith": lambda text, end: text.lower().endswith(end.lower()),
    "environment": lambda: {
        "suffixes": {"storage": "core.windows.net", "keyvaultDns": ".vault.azure.net"}
    },
    "guid": lambda *parts: str(uuid.uuid5(uuid.NAMESPACE_URL, repr(parts))),
    "join": lambda items, between: between.join(items),
    "length": len,
    "replace": lambda text, old, new: text.replace(old, new),
    "resourceGroup": lambda name="rg-sample": {"id": _GROUP, "name": name, "location": "somewhere"},
    "split": lambda text, between: text.split(between),
    "startsWith": lambda text, start: text.lower().startswith(start.lower()),
    "string": _string,
    "subscription": lambda: {
        "id": SUBSCRIPTION,
        "subscriptionId": SUBSCRIPTION.rsplit("/", maxsplit=1)[-1],
    },
    "subscriptionResourceId": lambda kind, name: f"{SUBSCRIPTION}/providers/{kind}/{name}",
    "take": lambda value, count: value[:count],
    "tenant": lambda: {"tenantId": "22222222-2222-2222-2222-222222222222"},
    "toLower": str.lower,
    "toUpper": str.upper,
    "trim": str.strip,
    "union": _union,
    "uniqueString": _unique_string,
}

OPERATORS: dict[str, Callable[..., Any]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    ">": lambda left, right: left > right,
    "<=": lambda left, right: left <= right,
    ">=": lambda left, right: left >= right,
    "+": lambda left, right: left + right,
    "*": lambda left, right: left * right,
    "!": lambda value: not value,
}
"""All but those that look at their second operand only when it matters."""

# What Azure tells of a resource once it is there, by type and path.
ANSWERS = {
    ("Microsoft.Storage/storageAccounts", "properties.primaryEndpoints.blob"): (
        "https://{name}.blob.core.windows.net/"
    ),
    ("Microsoft.KeyVault/vaults", "properties.vaultUri"): "https://{name}.vault.azure.net/",
    ("Microsoft.ManagedIdentity/userAssignedIdentities", "properties.clientId"): (
        "33333333-3333-3333-3333-333333333333"
    ),
    ("Microsoft.ManagedIdentity/userAssignedIdentities", "properties.principalId"): (
        "44444444-4444-4444-4444-444444444444"
    ),
    ("Microsoft.Insights/components", "properties.ConnectionString"): (
        "InstrumentationKey=55555555-5555-5555-5555-555555555555"
    ),
    ("Microsoft.Web/sites", "properties.defaultHostName"): "{name}.azurewebsites.net",
}
