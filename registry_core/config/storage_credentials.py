"""In whose name storage is asked: a key, an application with a secret, or the process's identity.

Types and settings are those of CNCF distribution's azure driver; the type may be left to be seen.
"""
# ruff: noqa: S105 - these are names, not secrets

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from dataclasses import replace
from urllib.parse import urlsplit

from .names import (
    ACCOUNT_KEY,
    CONNECTION_STRING,
    CREDENTIALS_CLIENTID,
    CREDENTIALS_SECRET,
    CREDENTIALS_TENANTID,
    CREDENTIALS_TYPE,
    SERVICE_URL,
)
from .reader import Reader
from .settings import AzureStorage

_SHARED_KEY = "shared_key"
_CLIENT_SECRET = "client_secret"
_DEFAULT = "default_credentials"
_TYPES = (_DEFAULT, _CLIENT_SECRET, _SHARED_KEY)

# What Entra ID calls a tenant: its id, or one of its domains.
_TENANT = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]*")


def check_key(reader: Reader, key: str) -> None:
    """Where there is a key, in the setting ``key``, nothing may speak of an identity."""
    if key == ACCOUNT_KEY and not _is_base64(reader.text(key)):
        reader.problems.append(f"{key} must be base64, as the portal shows it")
    kind = _kind(reader, _SHARED_KEY)
    if kind != _SHARED_KEY:
        reader.problems.append(
            f"{CREDENTIALS_TYPE}={kind!r} contradicts {key}; remove the key to sign in with an "
            f"identity, or set {_SHARED_KEY}"
        )
    for name in (CREDENTIALS_CLIENTID, CREDENTIALS_TENANTID, CREDENTIALS_SECRET):
        if reader.text(name):
            reader.problems.append(
                f"{name} contradicts {key}; remove the key to sign in with an identity, or {name}"
            )


def identity(reader: Reader, storage: AzureStorage) -> AzureStorage:
    """The same storage, with what says who signs in where there is no key."""
    client, tenant = reader.text(CREDENTIALS_CLIENTID), reader.text(CREDENTIALS_TENANTID)
    secret = reader.text(CREDENTIALS_SECRET)
    kind = _kind(reader, _CLIENT_SECRET if secret else _DEFAULT)
    if kind == _SHARED_KEY:
        reader.problems.append(
            f"{CREDENTIALS_TYPE}={kind!r} needs {ACCOUNT_KEY} or {CONNECTION_STRING}"
        )
    elif kind == _CLIENT_SECRET:
        _check_application(reader)
    else:
        _check_own_identity(reader)
    if tenant and not _TENANT.fullmatch(tenant):
        reader.problems.append(
            f"{CREDENTIALS_TENANTID}={tenant!r} must be a tenant's id or one of its domains"
        )
    if urlsplit(storage.service_url).scheme == "http":
        reader.problems.append(
            f"{SERVICE_URL} must begin with https:// where no key is set: "
            "an identity's tokens go over TLS only"
        )
    return replace(
        storage, client_id=client or None, tenant_id=tenant or None, client_secret=secret or None
    )


def _check_application(reader: Reader) -> None:
    for name in (CREDENTIALS_CLIENTID, CREDENTIALS_TENANTID, CREDENTIALS_SECRET):
        if not reader.text(name):
            reader.problems.append(
                f"{name} is missing; an application signs in with {CREDENTIALS_CLIENTID}, "
                f"{CREDENTIALS_TENANTID} and {CREDENTIALS_SECRET}"
            )


def _check_own_identity(reader: Reader) -> None:
    if reader.text(CREDENTIALS_SECRET):
        reader.problems.append(
            f"{CREDENTIALS_SECRET} contradicts {CREDENTIALS_TYPE}={_DEFAULT!r}; "
            f"remove it, or set {_CLIENT_SECRET}"
        )
    elif reader.text(CREDENTIALS_TENANTID):
        reader.problems.append(
            f"{CREDENTIALS_TENANTID} needs {CREDENTIALS_SECRET} beside it; "
            "the process's own identity knows its tenant"
        )


def _kind(reader: Reader, inferred: str) -> str:
    if not reader.text(CREDENTIALS_TYPE):
        return inferred
    kind = reader.choice(CREDENTIALS_TYPE, _TYPES)
    # What is no type at all has been told, and contradicts nothing.
    return kind if kind in _TYPES else inferred


def _is_base64(text: str) -> bool:
    try:
        return bool(b64decode(text, validate=True))
    except binascii.Error:
        return False
