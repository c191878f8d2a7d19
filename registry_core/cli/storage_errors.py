"""What to do when storage cannot be used, in one line that names the setting to check."""

from __future__ import annotations

import re

from ..config import (
    ACCOUNT_KEY,
    ACCOUNT_NAME,
    CONNECTION_STRING,
    CONTAINER,
    SERVICE_URL,
    AzureStorage,
)

_NO_TOKEN = "no token for "  # noqa: S105 - the beginning of a message
# learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes
_DENIED = (": 401 ", ": 403 ")
# An answer of storage with a code, or what was found in one: it can be reached.
_REACHED = re.compile(r": [0-9]{3} [A-Z]|hierarchical namespace")


def explain(error: str, storage: AzureStorage) -> str:
    """Return advice for an error of the object store.

    ``error`` is the text of a `StoreUnavailable` or `StoreRefused`: the operation, then status and
    code, if any.
    """
    if "ContainerNotFound" in error:
        return (
            f"the storage account has no container {storage.container!r}: "
            f"create it, or correct {CONTAINER}"
        )
    if error.startswith(_NO_TOKEN):
        return f"no identity to sign in to storage with: set {ACCOUNT_KEY}, or sign in ({error})"
    if any(status in error for status in _DENIED):
        return f"storage denies access: {_check_credentials(storage)} ({error})"
    if _REACHED.search(error):
        return f"storage cannot be used ({error})"
    return f"storage cannot be reached: check {_address(storage)} ({error})"


def _check_credentials(storage: AzureStorage) -> str:
    if storage.connection_string:
        return f"check the key in {CONNECTION_STRING}"
    if storage.account_key:
        return f"check {ACCOUNT_KEY}"
    return f"give the identity the role Storage Blob Data Contributor, or set {ACCOUNT_KEY}"


def _address(storage: AzureStorage) -> str:
    if storage.connection_string:
        return f"the address in {CONNECTION_STRING}"
    return f"{ACCOUNT_NAME} or {SERVICE_URL}"
