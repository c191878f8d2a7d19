"""Our own token service: its key, how long tokens last, and who can log in besides htpasswd."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..auth.tokens.issuing import LEAST_SECONDS
from ..auth.tokens.keys import SigningKey
from .documents import read_document
from .names import (
    BUILTIN_EXPIRATION,
    BUILTIN_PREVIOUSKEY,
    BUILTIN_REFRESHEXPIRATION,
    BUILTIN_SERVICE,
    BUILTIN_SIGNINGKEY,
    ENTRA_AUTHORITY,
    ENTRA_CLIENTID,
    ENTRA_TENANTID,
)
from .reader import Reader

_SERVICE = re.compile(r"[A-Za-z0-9._:-]{1,255}")
_TENANT = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LONGEST_SECONDS = 86400
_MAKE_A_KEY = "python -m registry_core auth token-key"


@dataclass(frozen=True)
class EntraAuth:
    """A tenant of Entra ID, and what its tokens for the registry have as their audience.

    ``authority`` is empty for the public cloud's.
    """

    tenant_id: str
    client_ids: tuple[str, ...]
    authority: str = ""


@dataclass(frozen=True)
class BuiltinAuth:
    """``seconds`` and ``refresh_seconds``: how long access and refresh tokens last."""

    service: str
    key: SigningKey = field(repr=False)
    previous: SigningKey | None = field(default=None, repr=False)
    seconds: int = 300
    refresh_seconds: int = 30 * 86400
    entra: EntraAuth | None = None


def read_builtin(reader: Reader) -> BuiltinAuth | None:
    """None where there is no key to sign with, which is a problem."""
    key = _key(reader, BUILTIN_SIGNINGKEY)
    if key is None and not reader.text(BUILTIN_SIGNINGKEY):
        reader.problems.append(
            f"{BUILTIN_SIGNINGKEY} is missing; set the same private key on every instance, as PEM, "
            f"for example from: {_MAKE_A_KEY}"
        )
    previous, entra, service = _key(reader, BUILTIN_PREVIOUSKEY), _entra(reader), _service(reader)
    seconds = reader.number(BUILTIN_EXPIRATION, 300)
    if not LEAST_SECONDS <= seconds <= _LONGEST_SECONDS:
        reader.problems.append(
            f"{BUILTIN_EXPIRATION}={seconds} must be from {LEAST_SECONDS} to {_LONGEST_SECONDS}: "
            "what was revoked lets in nobody only after so many seconds"
        )
    refresh_seconds = reader.number(BUILTIN_REFRESHEXPIRATION, 30 * 86400)
    if key is None:
        return None
    return BuiltinAuth(service, key, previous, seconds, refresh_seconds, entra)


def _service(reader: Reader) -> str:
    service = reader.text(BUILTIN_SERVICE) or "registry"
    if not _SERVICE.fullmatch(service):
        reader.problems.append(
            f"{BUILTIN_SERVICE}={service!r} must be a name like registry.example.com"
        )
    return service


def _key(reader: Reader, name: str) -> SigningKey | None:
    document = read_document(reader, name)
    if document is None:
        return None
    try:
        # Some ways to set an app's settings know no line breaks.
        return SigningKey.parse(document.text.replace("\\n", "\n"))
    except ValueError as error:
        reader.problems.append(f"{name} {error}; for example from: {_MAKE_A_KEY}")
        return None


def _entra(reader: Reader) -> EntraAuth | None:
    tenant, clients = reader.text(ENTRA_TENANTID), reader.text(ENTRA_CLIENTID)
    authority = reader.text(ENTRA_AUTHORITY)
    if not (tenant or clients):
        return None
    if not _TENANT.fullmatch(tenant):
        reader.problems.append(
            f"{ENTRA_TENANTID}={tenant!r} must be the id of the tenant, as "
            "00000000-0000-0000-0000-000000000000"
        )
    client_ids = tuple(clients.replace(",", " ").split())
    if not client_ids:
        reader.problems.append(
            f"{ENTRA_CLIENTID} is missing; give the client id of the registry's app registration"
        )
    if authority and not urlsplit(authority).netloc:
        reader.problems.append(f"{ENTRA_AUTHORITY}={authority!r} must be a URL")
    return EntraAuth(tenant, client_ids, authority)
