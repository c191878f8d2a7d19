"""Reading the built-in token service: its keys, its tokens' lifetimes, and Entra ID."""

from __future__ import annotations

import re

from ..auth.secure_urls import is_secure_url
from ..auth.tokens.issuing import LEAST_SECONDS
from ..auth.tokens.keys import SigningKey
from .auth_table import (
    BUILTIN_EXPIRATION,
    BUILTIN_PREVIOUSKEY,
    BUILTIN_REFRESHEXPIRATION,
    BUILTIN_SERVICE,
    BUILTIN_SIGNINGKEY,
    ENTRA_AUTHORITY,
    ENTRA_CLIENTID,
    ENTRA_TENANTID,
)
from .reader import SettingsReader
from .settings import BuiltinAuth, EntraAuth

_SERVICE = re.compile(r"[A-Za-z0-9._:-]{1,255}")
_TENANT = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# Audiences of tokens that people show to other registries, and to Azure itself: of ACR, of Azure
# Resource Manager, and of Microsoft Graph.
_OF_OTHERS = frozenset(
    {
        "https://containerregistry.azure.net",
        "https://management.azure.com",
        "https://management.core.windows.net",
        "https://graph.microsoft.com",
        "00000003-0000-0000-c000-000000000000",
    }
)
_LONGEST_SECONDS = 86400
_MAKE_A_KEY = "python -m registry_core auth token-key"


def read_builtin(reader: SettingsReader) -> BuiltinAuth | None:
    """Return the token service; None without a key to sign with, which is a problem."""
    key = _key(reader, BUILTIN_SIGNINGKEY)
    if key is None and not reader.text(BUILTIN_SIGNINGKEY):
        reader.problems.append(
            f"{BUILTIN_SIGNINGKEY} is missing; set the same private key on every instance, as PEM, "
            f"for example from: {_MAKE_A_KEY}"
        )
    previous, entra, service = _key(reader, BUILTIN_PREVIOUSKEY), _entra(reader), _service(reader)
    seconds = reader.number(BUILTIN_EXPIRATION)
    if not LEAST_SECONDS <= seconds <= _LONGEST_SECONDS:
        reader.problems.append(
            f"{BUILTIN_EXPIRATION}={seconds} must be from {LEAST_SECONDS} to {_LONGEST_SECONDS}: "
            "a revoked permission stays usable for so many seconds"
        )
    refresh_seconds = reader.number(BUILTIN_REFRESHEXPIRATION)
    if key is None:
        return None
    return BuiltinAuth(service, key, previous, seconds, refresh_seconds, entra)


def _service(reader: SettingsReader) -> str:
    service = reader.text(BUILTIN_SERVICE)
    if not _SERVICE.fullmatch(service):
        reader.problems.append(
            f"{BUILTIN_SERVICE}={service!r} must be a name like registry.example.com"
        )
    return service


def _key(reader: SettingsReader, name: str) -> SigningKey | None:
    document = reader.document(name, is_secret=True)
    if document is None:
        return None
    try:
        # Some ways of setting an app's settings have no line breaks.
        return SigningKey.parse(document.text.replace("\\n", "\n"))
    except ValueError as error:
        reader.problems.append(f"{name} {error}; for example from: {_MAKE_A_KEY}")
        return None


def _entra(reader: SettingsReader) -> EntraAuth | None:
    tenant, client_ids = reader.text(ENTRA_TENANTID), reader.words(ENTRA_CLIENTID)
    authority = reader.text(ENTRA_AUTHORITY)
    if not (tenant or client_ids):
        return None
    if not _TENANT.fullmatch(tenant):
        reader.problems.append(
            f"{ENTRA_TENANTID}={tenant!r} must be the id of the tenant, such as "
            "00000000-0000-0000-0000-000000000000"
        )
    if not client_ids:
        reader.problems.append(
            f"{ENTRA_CLIENTID} is missing; give the client id of the registry's app registration"
        )
    for name in sorted(name for name in client_ids if name.rstrip("/") in _OF_OTHERS):
        reader.problems.append(
            f"{ENTRA_CLIENTID}={name!r} is the audience of another service: whoever gets a token "
            "for that could log in here; give the registry an app registration of its own"
        )
    if authority and not is_secure_url(authority):
        reader.problems.append(
            f"{ENTRA_AUTHORITY}={authority!r} must be a URL that begins with https://"
        )
    return EntraAuth(tenant, client_ids, authority)
