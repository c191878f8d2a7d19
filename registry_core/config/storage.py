"""Reading where storage is and which credentials open it.

Credentials are those of distribution's azure driver: an access key, an application with a secret,
or the identity of the process. Their type may be left out, if the other settings determine it.
"""
# ruff: noqa: S105 - these are names, not secrets

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from .reader import SettingsReader
from .settings import AzureStorage
from .table import (
    ACCOUNT_KEY,
    ACCOUNT_NAME,
    API_VERSION,
    CONNECTION_STRING,
    CONTAINER,
    CREDENTIALS_CLIENTID,
    CREDENTIALS_SECRET,
    CREDENTIALS_TENANTID,
    CREDENTIALS_TYPE,
    REALM,
    SERVICE_URL,
)

_DEFAULT = "default_credentials"
_CLIENT_SECRET = "client_secret"
_SHARED_KEY = "shared_key"

# REST, "Naming and Referencing Containers, Blobs, and Metadata"
_CONTAINER_NAME = re.compile(r"(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
# How many characters of a wrong value a problem quotes: it may be a connection string with its key.
_SHOWN = 40

# A service URL that contains the account's name: ACCOUNT.blob.DOMAIN, or ACCOUNT.z01.blob.DOMAIN
# with DNS zones: learn.microsoft.com/azure/storage/common/storage-account-overview, "Endpoints"
_ACCOUNT_HOST = re.compile(r"[a-z0-9]{3,24}\.(?:z[0-9]+\.)?blob\..+")

_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_VERSIONS = "2020-12-06", "2026-10-06"
"""The oldest and the newest version of the protocol whose requests and signatures are known."""

# learn.microsoft.com/azure/app-service/overview-managed-identity, "REST endpoint reference"
_ENDPOINT = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")
_OF_SERVICE_FABRIC = "IDENTITY_SERVER_THUMBPRINT"
# What DefaultAzureCredential tries before it, unless `AZURE_TOKEN_CREDENTIALS` excludes that:
# learn.microsoft.com/python/api/azure-identity/azure.identity.defaultazurecredential
_PREFERRED = (
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_USERNAME",
    "AZURE_FEDERATED_TOKEN_FILE",
)
_TOKEN_CREDENTIALS = "AZURE_TOKEN_CREDENTIALS"
_MANAGED_IDENTITY_ONLY = "managedidentitycredential"
_WITH_PREFERRED = ("", "prod")
_CLIENT_ID = "AZURE_CLIENT_ID"

# Entra ID accepts a tenant's id or one of its domains.
_TENANT = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]*")


def storage_is_configured(environment: Mapping[str, str]) -> bool:
    """Return whether the environment says where storage is, or is meant to: it may be blank."""
    return any(
        name in environment for name in (CONNECTION_STRING, ACCOUNT_NAME, ACCOUNT_KEY, SERVICE_URL)
    )


def read_storage(reader: SettingsReader) -> AzureStorage:
    """Return the storage account, the container and the credentials."""
    container = reader.text(CONTAINER)
    if not _CONTAINER_NAME.fullmatch(container):
        state = f"={container[:_SHOWN]!r} is not valid" if container else " is missing"
        reader.problems.append(
            f"{CONTAINER}{state}; name a container: 3 to 63 lowercase letters, digits and single "
            "dashes"
        )
    by_string = reader.text(CONNECTION_STRING)
    storage = (_by_connection_string if by_string else _by_account)(reader, container)
    return replace(storage, api_version=_api_version(reader))


def _api_version(reader: SettingsReader) -> str:
    version, (oldest, newest) = reader.text(API_VERSION), _VERSIONS
    if not _VERSION.fullmatch(version) or not oldest <= version <= newest:
        reader.problems.append(
            f"{API_VERSION}={version!r} must be a version of the Blob service's protocol from "
            f"{oldest} to {newest}, such as 2024-11-04"
        )
    return version


def _by_connection_string(reader: SettingsReader, container: str) -> AzureStorage:
    for name in (ACCOUNT_NAME, ACCOUNT_KEY, SERVICE_URL, REALM):
        if reader.given(name):
            reader.problems.append(
                f"{name} contradicts {CONNECTION_STRING}; set only one of the two"
            )
    text = reader.text(CONNECTION_STRING)
    parts = [part.strip().partition("=") for part in text.split(";")]
    values = {name.strip().lower(): value for name, _, value in parts}
    is_emulator = values.get("usedevelopmentstorage") == "true"
    if not is_emulator and not values.keys() >= {"accountname", "accountkey"}:
        reader.problems.append(
            f"{CONNECTION_STRING} must contain AccountName=...;AccountKey=...;..., as the portal "
            f"shows it under access keys; without a key, set {ACCOUNT_NAME} instead to use an "
            "identity"
        )
    _check_key(reader, CONNECTION_STRING)
    return AzureStorage(container, connection_string=text)


def _by_account(reader: SettingsReader, container: str) -> AzureStorage:
    account, url = reader.text(ACCOUNT_NAME), reader.text(SERVICE_URL)
    if not account and not url:
        reader.problems.append(
            f"{ACCOUNT_NAME} is missing; name the storage account, or set {CONNECTION_STRING}"
        )
    if account and not _ACCOUNT.fullmatch(account):
        reader.problems.append(
            f"{ACCOUNT_NAME}={account[:_SHOWN]!r} must be 3 to 24 lowercase letters and digits"
        )
    if url and not urlsplit(url).netloc:
        reader.problems.append(
            f"{SERVICE_URL}={url[:_SHOWN]!r} must be a URL like https://ACCOUNT.blob.core.windows.net"
        )
    url = url or f"https://{account}.blob.{reader.text(REALM)}"
    storage = AzureStorage(container, url, account)
    if key := reader.text(ACCOUNT_KEY):
        if not account:
            reader.problems.append(f"{ACCOUNT_KEY} needs {ACCOUNT_NAME} as well")
        _check_key(reader, ACCOUNT_KEY)
        return replace(storage, account_key=key)
    return _with_identity(reader, storage)


def _check_key(reader: SettingsReader, key: str) -> None:
    """Report what contradicts the access key in the setting ``key``."""
    if key == ACCOUNT_KEY and not _is_base64(reader.text(key)):
        reader.problems.append(f"{key} must be base64, as the portal shows it")
    kind = reader.choice(CREDENTIALS_TYPE) or _SHARED_KEY
    if kind != _SHARED_KEY:
        reader.problems.append(
            f"{CREDENTIALS_TYPE}={kind!r} contradicts {key}; remove the key to use an identity, "
            f"or set {_SHARED_KEY}"
        )
    for name in (CREDENTIALS_CLIENTID, CREDENTIALS_TENANTID, CREDENTIALS_SECRET):
        if reader.text(name):
            reader.problems.append(
                f"{name} contradicts {key}; remove the key to use an identity, or remove {name}"
            )


def _with_identity(reader: SettingsReader, storage: AzureStorage) -> AzureStorage:
    """Return the storage with the identity that opens it without a key."""
    client, tenant = reader.text(CREDENTIALS_CLIENTID), reader.text(CREDENTIALS_TENANTID)
    secret = reader.text(CREDENTIALS_SECRET)
    kind = reader.choice(CREDENTIALS_TYPE) or (_CLIENT_SECRET if secret else _DEFAULT)
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
            f"{SERVICE_URL} must begin with https:// unless a key is set: "
            "tokens of an identity are sent over TLS only"
        )
    url = reader.text(SERVICE_URL)
    if url and not storage.account_name and not _contains_account(url):
        reader.problems.append(
            f"{ACCOUNT_NAME} is missing; {SERVICE_URL} does not contain the name of the account, "
            "which the signatures of an identity need"
        )
    storage = replace(
        storage, client_id=client or None, tenant_id=tenant or None, client_secret=secret or None
    )
    return _with_endpoint(reader, storage) if kind == _DEFAULT else storage


def _with_endpoint(reader: SettingsReader, storage: AzureStorage) -> AzureStorage:
    """Add App Service's token endpoint, unless azure-identity would prefer something else to it."""
    endpoint, header = (reader.given(name) for name in _ENDPOINT)
    if not (endpoint and header) or reader.given(_OF_SERVICE_FABRIC):
        return storage
    chosen = reader.given(_TOKEN_CREDENTIALS).lower()
    if chosen != _MANAGED_IDENTITY_ONLY and (
        chosen not in _WITH_PREFERRED or any(map(reader.given, _PREFERRED))
    ):
        return storage
    client = storage.client_id or reader.given(_CLIENT_ID) or None
    return replace(storage, client_id=client, identity_endpoint=endpoint, identity_header=header)


def _contains_account(service_url: str) -> bool:
    """Return whether the account's name is in a URL: as the path, or in the host's name."""
    parts = urlsplit(service_url)
    return bool(parts.path.strip("/") or _ACCOUNT_HOST.fullmatch(parts.hostname or ""))


def _check_application(reader: SettingsReader) -> None:
    needed = (CREDENTIALS_CLIENTID, CREDENTIALS_TENANTID, CREDENTIALS_SECRET)
    for name in needed:
        if not reader.text(name):
            reader.problems.append(
                f"{name} is missing; an application needs {', '.join(needed[:-1])} and {needed[-1]}"
            )


def _check_own_identity(reader: SettingsReader) -> None:
    if reader.text(CREDENTIALS_SECRET):
        reader.problems.append(
            f"{CREDENTIALS_SECRET} contradicts {CREDENTIALS_TYPE}={_DEFAULT!r}; "
            f"remove it, or set {_CLIENT_SECRET}"
        )
    elif reader.text(CREDENTIALS_TENANTID):
        reader.problems.append(
            f"{CREDENTIALS_TENANTID} needs {CREDENTIALS_SECRET} as well; "
            "the identity of the process knows its tenant"
        )


def _is_base64(text: str) -> bool:
    try:
        return bool(b64decode(text, validate=True))
    except binascii.Error:
        return False
