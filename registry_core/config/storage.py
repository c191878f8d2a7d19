"""Where the container is, and how to get in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from .names import ACCOUNT_KEY, ACCOUNT_NAME, CONNECTION_STRING, CONTAINER, REALM, SERVICE_URL
from .reader import Reader
from .settings import AzureStorage
from .storage_credentials import check_key, identity

# REST, "Naming and Referencing Containers, Blobs, and Metadata"
_CONTAINER_NAME = re.compile(r"(?=.{3,63}$)[a-z0-9]+(?:-[a-z0-9]+)*")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")


def storage_is_configured(environment: Mapping[str, str]) -> bool:
    """Whether the environment says where storage is, rightly or not."""
    return any(
        environment.get(name)
        for name in (CONNECTION_STRING, ACCOUNT_NAME, ACCOUNT_KEY, SERVICE_URL)
    )


def azure_storage(reader: Reader) -> AzureStorage:
    """Where the container is, and how to get in."""
    container = reader.text(CONTAINER)
    if not _CONTAINER_NAME.fullmatch(container):
        reader.problems.append(
            f"{CONTAINER}={container!r} must name a container: 3 to 63 lowercase letters, "
            "digits and single dashes"
        )
    if reader.text(CONNECTION_STRING):
        return _by_connection_string(reader, container)
    return _by_account(reader, container)


def _by_connection_string(reader: Reader, container: str) -> AzureStorage:
    for name in (ACCOUNT_NAME, ACCOUNT_KEY, SERVICE_URL, REALM):
        if reader.text(name):
            reader.problems.append(
                f"{name} contradicts {CONNECTION_STRING}; set only one of the two"
            )
    text = reader.text(CONNECTION_STRING)
    names = {part.partition("=")[0].strip().lower() for part in text.split(";")}
    if not names >= {"accountname", "accountkey"}:
        reader.problems.append(
            f"{CONNECTION_STRING} must hold AccountName=...;AccountKey=...;..., as the portal "
            f"shows it under access keys; without a key, set {ACCOUNT_NAME} instead and sign "
            "in with an identity"
        )
    check_key(reader, CONNECTION_STRING)
    return AzureStorage(container, connection_string=text)


def _by_account(reader: Reader, container: str) -> AzureStorage:
    account, url = reader.text(ACCOUNT_NAME), reader.text(SERVICE_URL)
    if not account and not url:
        reader.problems.append(
            f"{ACCOUNT_NAME} is missing; name the storage account, or set {CONNECTION_STRING}"
        )
    if account and not _ACCOUNT.fullmatch(account):
        reader.problems.append(
            f"{ACCOUNT_NAME}={account!r} must be 3 to 24 lowercase letters and digits"
        )
    if url and not urlsplit(url).netloc:
        reader.problems.append(
            f"{SERVICE_URL}={url!r} must be a URL like https://ACCOUNT.blob.core.windows.net"
        )
    realm = reader.text(REALM) or "core.windows.net"
    storage = AzureStorage(container, url or f"https://{account}.blob.{realm}", account)
    if key := reader.text(ACCOUNT_KEY):
        if not account:
            reader.problems.append(f"{ACCOUNT_KEY} needs {ACCOUNT_NAME} beside it")
        check_key(reader, ACCOUNT_KEY)
        return replace(storage, account_key=key)
    return identity(reader, storage)
