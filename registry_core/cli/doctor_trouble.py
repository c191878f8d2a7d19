"""What to do when storage cannot be used, in one line that names the setting."""

from __future__ import annotations

from ..config import (
    ACCOUNT_KEY,
    ACCOUNT_NAME,
    CONNECTION_STRING,
    CONTAINER,
    SERVICE_URL,
    AzureStorage,
)

_NOT_SIGNED_IN = "no token for "
# learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes
_REFUSED = (": 401 ", ": 403 ")


def explain(trouble: str, storage: AzureStorage) -> str:
    """``trouble`` is what the object store says: the operation, then status and code, if any."""
    if "ContainerNotFound" in trouble:
        return (
            f"the storage account has no container {storage.container!r}: "
            f"create it, or correct {CONTAINER}"
        )
    if trouble.startswith(_NOT_SIGNED_IN):
        return f"no identity to sign in to storage with: set {ACCOUNT_KEY}, or sign in ({trouble})"
    if any(status in trouble for status in _REFUSED):
        return f"storage refuses: {_credentials(storage)} ({trouble})"
    return f"storage cannot be reached: check {_address(storage)} ({trouble})"


def _credentials(storage: AzureStorage) -> str:
    if storage.connection_string:
        return f"check the key in {CONNECTION_STRING}"
    if storage.account_key:
        return f"check {ACCOUNT_KEY}"
    return f"give the identity the role Storage Blob Data Contributor, or set {ACCOUNT_KEY}"


def _address(storage: AzureStorage) -> str:
    if storage.connection_string:
        return f"the address in {CONNECTION_STRING}"
    return f"{ACCOUNT_NAME} or {SERVICE_URL}"
