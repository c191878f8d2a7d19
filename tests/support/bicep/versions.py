"""API versions of resources: real ones, no previews, and one for each type.

The versions are those for which Azure/bicep-types-az has types, from 2022 on, and the newest are
those of Azure's management packages; a test holds the table to the packages that are installed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime

from .declarations import File, Resource
from .symbols import nearest
from .syntax import Problem
from .template import Template

KNOWN = {
    "Microsoft.Web": """2022-03-01 2022-09-01 2023-01-01 2023-12-01 2024-04-01 2024-11-01 2025-03-01
        2025-05-01""",
    "Microsoft.Storage": """2022-05-01 2022-09-01 2023-01-01 2023-04-01 2023-05-01 2024-01-01
        2025-01-01 2025-06-01 2025-08-01 2026-04-01 2026-06-01 2026-09-01""",
    "Microsoft.KeyVault": """2022-07-01 2022-11-01 2023-02-01 2023-07-01 2024-11-01 2025-05-01
        2026-02-01 2026-05-15""",
    "Microsoft.ManagedIdentity": "2023-01-31 2024-11-30",
    "Microsoft.Network": "2024-01-01 2026-03-01",
    "Microsoft.Network/privateDnsZones": "2020-06-01",
    "Microsoft.OperationalInsights": "2023-09-01 2025-07-01",
    "Microsoft.Insights/components": "2020-02-02",
    "Microsoft.Insights/actionGroups": "2023-01-01",
    "Microsoft.Insights/metricAlerts": "2018-03-01",
    "Microsoft.Insights/scheduledQueryRules": "2022-06-15",
    "Microsoft.Authorization/roleAssignments": "2022-04-01",
    "Microsoft.Authorization/locks": "2020-05-01",
    "Microsoft.Resources/resourceGroups": "2024-03-01",
}
"""By the longest beginning of the type that is listed."""

PREVIEWS: dict[str, str] = {}
"""`type@version` of previews that are taken, and why nothing else will do."""

_FORM = re.compile(r"(\d{4}-\d{2}-\d{2})(-preview)?")


def version_problems(template: Template) -> Iterator[Problem]:
    used: dict[str, list[tuple[File, Resource]]] = defaultdict(list)
    for file, resource in template.resources():
        for message in _problems(resource):
            yield Problem(file.path, resource.line, message)
        used[resource.type].append((file, resource))
    for kind, places in used.items():
        newest = max(resource.version for _, resource in places)
        for file, resource in places:
            if resource.version != newest:
                message = f"{kind} is {newest} elsewhere, and {resource.version} here: take one"
                yield Problem(file.path, resource.line, message)


def known_versions(kind: str) -> tuple[str, ...]:
    listed = [name for name in KNOWN if f"{kind}/".startswith(f"{name}/")]
    return tuple(KNOWN[max(listed, key=len)].split()) if listed else ()


def _problems(resource: Resource) -> Iterator[str]:
    match = _FORM.fullmatch(resource.version)
    day = _day(match[1]) if match else None
    if match is None or day is None:
        yield f"{resource.type}@{resource.version}: a version is a date, such as 2024-04-01"
    elif day > datetime.now(UTC).date():
        yield f"{resource.type}@{resource.version} is in the future"
    elif match[2]:
        if f"{resource.type}@{resource.version}" not in PREVIEWS:
            yield f"{resource.type}@{resource.version}: take no preview, or say why in versions.py"
    elif resource.version not in (known := known_versions(resource.type)):
        there = nearest(resource.version, known)
        yield f"{resource.type} has no version {resource.version}; {there}"


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
