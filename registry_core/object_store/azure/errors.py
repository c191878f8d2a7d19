"""Exceptions of the Azure store besides those of the interface, and what their texts name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import StoreUnavailable


class AccessDenied(StoreUnavailable):
    """Storage answered 401 or 403. ``reason`` is its error code."""

    def __init__(self, text: str, *, reason: str = "") -> None:
        super().__init__(text, public=_DENIED)
        self.reason = reason

    @property
    def may_concern_signature(self) -> bool:
        """Whether, for a copy, the signature of the source may have been denied."""
        return self.reason in {"AuthenticationFailed", "CannotVerifyCopySource"}

    @property
    def concerns_source(self) -> bool:
        """Whether, for a copy, storage could not read the source."""
        return self.reason == "CannotVerifyCopySource"


class RequestInvalid(StoreUnavailable):
    """Storage answered 400: it does not understand the request."""


class AnswerMalformed(StoreUnavailable):
    """A successful answer is not what was requested: an intermediary may have changed it.

    `BlobClient.send` repeats the request.
    """


_DENIED = "storage denies the registry access; the registry's log says why"


class HierarchicalNamespace(StoreUnavailable):
    """The account has a hierarchical namespace, which the registry does not support.

    There, directories are blobs of their own, listings have another order, and a leading slash
    means nothing: learn.microsoft.com/azure/storage/blobs/data-lake-storage-namespace
    """

    def __init__(self, account: str) -> None:
        super().__init__(
            f"the account {account} has a hierarchical namespace (Data Lake Storage Gen2), in "
            "which directories are objects: use an account without one"
        )


@dataclass(frozen=True)
class StorageTarget:
    """The storage account, the container and the identity used.

    ``identity`` is a description for messages, None where an account key is used.
    """

    account: str
    container: str
    identity: str | None = None


def is_from_storage(headers: Mapping[str, str]) -> bool:
    """Return whether storage, and not an intermediary, sent the answer with these headers."""
    # Azurite's answer with a user delegation key has no request id.
    return "x-ms-request-id" in headers or headers.get("Server", "").startswith("Azurite-Blob/")
