"""``[[federation]]`` of a rules document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from .federation import Federation
from .fields import Table

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def read_federations(tables: Iterable[Table]) -> tuple[Federation, ...]:
    """All that are named, right or wrong: what is wrong is among the tables' problems."""
    found: dict[str, Federation] = {}
    lines: dict[str, int] = {}
    for table in tables:
        federation = _federation(table)
        name = federation.name
        if name in found:
            table.problem(f'"{name}" is the name of the federation at line {lines[name]}', "name")
        elif name:
            found[name], lines[name] = federation, table.line
    return tuple(found.values())


def _federation(table: Table) -> Federation:
    table.expect_only(("name", "issuer", "audience", "subjects", "claims"))
    name, issuer, audience = (table.text(key) for key in ("name", "issuer", "audience"))
    if name and not _NAME.fullmatch(name):
        table.problem(f'"{name}" is no name: letters, digits, ".", "_" and "-"', "name")
    if issuer and not _is_issuer(issuer):
        table.problem(f'issuer = "{issuer}" must be a URL that begins with https://', "issuer")
    subjects = table.texts("subjects", '["repo:org/*:ref:refs/heads/main"]')
    return Federation(name, issuer, audience, tuple(one.text for one in subjects), _claims(table))


def _is_issuer(text: str) -> bool:
    """Plain HTTP is for the same machine only. OpenID Connect Core 1.0: no query, no fragment."""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        return False
    if "?" in text or "#" in text or not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _claims(table: Table) -> Mapping[str, str]:
    claims = table.content.get("claims", {})
    if not isinstance(claims, dict):
        table.problem('claims must be a table, such as {repository_owner = "org"}', "claims")
        return {}
    for claim, glob in claims.items():
        if not isinstance(glob, str) or not glob:
            table.problem(f"claim {claim} must be a text, in quotes", "claims", claim)
    return {claim: glob for claim, glob in claims.items() if isinstance(glob, str)}
