"""Storage's error answers as exceptions, whose texts for the log say what to do.

learn.microsoft.com/rest/api/storageservices: blob-service-error-codes, common-rest-api-error-codes
(codes), status-and-error-codes2 (headers and body of an error), copy-blob-from-url (errors of a
source), and learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory (roles)
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from ..interface import (
    BlockListInvalid,
    BlocksRefused,
    ConditionFailed,
    NotFound,
    RangeNotSatisfiable,
    StoreError,
    StoreRefused,
    StoreUnavailable,
    WrongKind,
)

DATA_ROLE = "Storage Blob Data Contributor"
SIGNING_ROLE = "Storage Blob Delegator"

SIGNING = "user_delegation_key"
"""The operation that needs `SIGNING_ROLE`."""

_CLOCK_TOLERANCE = 15 * 60
"""Seconds by which the date of a signed request may differ from storage's clock:
learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key"""


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


def to_error(  # noqa: PLR0917 - all parts of an answer
    operation: str,
    path: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    target: StorageTarget,
) -> StoreError:
    """Return the exception for an answer with an error status.

    Its text has operation, path, status, code, request id and advice; a text for clients has none
    of these.

    :param operation: what was attempted; `SIGNING` for a user delegation key.
    :param path: what the operation concerns, for the text.
    :param headers: case-insensitive, as aiohttp's.
    :param body: the body, which the answer to a HEAD does not have.
    """
    call = f"{operation} {path}"
    if not is_from_storage(headers):
        return StoreUnavailable(f"{call}: {status}, but not from storage")
    answer = _Answer(operation, status, headers, body, target)
    text = f"{call}: {answer}"
    if status in (401, 403):
        return _denied(text, answer)
    meaning = answer.meaning
    if meaning is None:
        return answer.kind(text)
    advice = meaning.advice
    if callable(advice):
        advice = advice(answer)
    if advice:
        text = f"{text}: {advice}"
    if issubclass(meaning.kind, StoreUnavailable | StoreRefused):
        return meaning.kind(text, public=meaning.public)
    return meaning.kind(text)


@dataclass(frozen=True)
class _Answer:
    """An error answer of storage to an operation."""

    operation: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    target: StorageTarget

    def __str__(self) -> str:
        source = self.source_code and f", source {self.source_code}"
        subject = self.element("HeaderName") or self.element("QueryParameterName")
        request = self.headers.get("x-ms-request-id")
        return f"{self.status} {self.code}{subject and f' {subject}'} (request {request}{source})"

    @property
    def code(self) -> str:
        return self.headers.get("x-ms-error-code", "") or self.element("Code")

    @property
    def source_code(self) -> str:
        """The code of the answer that storage received when it read the source of a copy."""
        return self.headers.get("x-ms-copy-source-error-code", "")

    @property
    def meaning(self) -> _Meaning | None:
        """What the code means, or, for a copy, the code of its source."""
        return _MEANINGS.get(self.code) or _MEANINGS.get(self.source_code)

    @property
    def kind(self) -> type[StoreError]:
        """The exception for a code without a meaning of its own."""
        source = self.headers.get("x-ms-copy-source-status-code", "")
        if self.status == 400 and source.isdecimal():
            return _BY_STATUS.get(int(source), StoreUnavailable)
        return _BY_STATUS.get(self.status, StoreUnavailable)

    def element(self, name: str) -> str:
        """Return the text of an element of the body, "" if it has none of that name."""
        found = re.search(rf"<{name}>([\w.-]+)</{name}>".encode(), self.body[:4096])
        return found[1].decode() if found else ""

    @property
    def clock_difference(self) -> float:
        """By how many seconds this machine's clock is ahead of storage's; 0 if unknown."""
        try:
            return time.time() - parsedate_to_datetime(self.headers["Date"]).timestamp()
        except (KeyError, ValueError):
            return 0.0


@dataclass(frozen=True)
class _Meaning:
    """An error code: its exception, what to do about it, and what a client is shown."""

    kind: type[StoreError]
    advice: str | Callable[[_Answer], str] = ""
    public: str = ""


def _no_container(answer: _Answer) -> str:
    target = answer.target
    return f"the account {target.account} has no container {target.container!r}: create it"


def _wrong_header(answer: _Answer) -> str:
    """Name the setting if storage does not know the protocol version, or may not know it."""
    if answer.element("HeaderName") in ("", "x-ms-version"):
        return (
            "this storage service may not know the version of the protocol that the registry "
            "speaks: set REGISTRY_STORAGE_AZURE_APIVERSION to an older one"
        )
    return ""


_ARCHIVED = _Meaning(
    StoreRefused,
    "the blob is in the archive tier and cannot be read or changed: rehydrate it (set its tier to "
    "Hot or Cool, which takes up to 15 hours), and exclude the container from lifecycle rules that "
    "archive or delete",
    "storage keeps this content in the archive tier; it has to be rehydrated first",
)
_REHYDRATED = _Meaning(
    StoreRefused,
    "the blob is being rehydrated from the archive tier, which takes up to 15 hours: wait",
    "storage is rehydrating this content from the archive tier, which takes hours",
)
_IMMUTABLE = _Meaning(
    StoreRefused,
    "an immutability policy or a legal hold forbids changing or deleting the blob: remove it from "
    "the container, or run the registry read-only",
    "an immutability policy of storage forbids this change",
)
_LEASED = _Meaning(
    StoreRefused,
    "another program holds a lease on the blob or its container: end that program, or break the "
    "lease",
    "another program has locked this object in storage",
)
_DIRECTORY = _Meaning(
    StoreRefused,
    "the account has a hierarchical namespace (Data Lake Storage Gen2), which the registry does "
    "not support: use an account without one",
)
_CONTAINER_GONE = _Meaning(StoreUnavailable, _no_container)

_MEANINGS: Mapping[str, _Meaning] = {
    "BlobAlreadyExists": _Meaning(ConditionFailed),
    "ContainerAlreadyExists": _Meaning(ConditionFailed),
    "InvalidBlobType": _Meaning(WrongKind),
    "InvalidBlockList": _Meaning(BlockListInvalid),
    "BlobArchived": _ARCHIVED,
    "BlobBeingRehydrated": _REHYDRATED,
    "BlobImmutableDueToPolicy": _IMMUTABLE,
    "BlobImmutableDueToLegalHold": _IMMUTABLE,
    # A 412 that is not about our condition.
    "LeaseIdMissing": _LEASED,
    "LeaseAlreadyPresent": _LEASED,
    "LeaseIdMismatchWithBlobOperation": _LEASED,
    "LeaseIdMismatchWithContainerOperation": _LEASED,
    "SnapshotsPresent": _Meaning(
        StoreRefused,
        "the blob has snapshots, which cannot be deleted with it: delete them",
        "this object has snapshots in storage, which have to be deleted first",
    ),
    "BlockCountExceedsLimit": _Meaning(
        BlocksRefused,
        "the blob has 100,000 uncommitted blocks, left by interrupted uploads: storage drops them "
        "a week after the last one was staged, or when a blob is put there",
        "storage keeps too many pieces of interrupted uploads of this content",
    ),
    # Put Block: ids of all blocks of a blob, uncommitted ones included, have the same length.
    "InvalidBlobOrBlock": _Meaning(
        BlocksRefused,
        "the blob has uncommitted blocks of another program, whose ids have another length: "
        "storage drops them a week after the last one was staged, or when a blob is put there",
        "storage keeps pieces of another program's interrupted upload of this content",
    ),
    "PendingCopyOperation": _Meaning(
        StoreUnavailable,
        "another program is copying to this blob: wait until that is done, or abort the copy",
        "another program is writing this object; try again",
    ),
    "FeatureVersionMismatch": _Meaning(
        StoreRefused,
        "the blob uses a feature that the protocol version does not know: set "
        "REGISTRY_STORAGE_AZURE_APIVERSION to a newer one",
        "the registry's version of the storage protocol is too old for this object",
    ),
    "BlobOperationNotSupported": _DIRECTORY,
    "ResourceTypeMismatch": _DIRECTORY,
    "DirectoryIsNotEmpty": _DIRECTORY,
    # Says nothing about the object: its container is missing.
    "ContainerNotFound": _CONTAINER_GONE,
    "ContainerBeingDeleted": _Meaning(
        StoreUnavailable,
        "the container is being deleted: once that is done, create it again, or choose another",
    ),
    "ContainerDisabled": _Meaning(
        StoreUnavailable, "an administrator has disabled the container: have it enabled"
    ),
    "AccountBeingCreated": _Meaning(StoreUnavailable, "the account is being created: wait"),
    "InvalidHeaderValue": _Meaning(StoreUnavailable, _wrong_header),
}

_BY_STATUS: Mapping[int, type[StoreError]] = {
    400: RequestInvalid,
    404: NotFound,
    409: StoreRefused,
    412: ConditionFailed,
    416: RangeNotSatisfiable,
}


def _denied(text: str, answer: _Answer) -> StoreError:
    """Return the exception for an answer 401 or 403."""
    advice = _denial_advice(answer)
    return AccessDenied(f"{text}{advice and f': {advice}'}", reason=answer.code)


def _denial_advice(answer: _Answer) -> str:
    """Return what to do about a denial."""
    code, account = answer.code, answer.target.account
    if code == "AccountIsDisabled":
        return f"the account {account} is disabled: enable it, or its subscription"
    if code == "AuthorizationFailure":
        return _network_advice(answer.target)
    seconds = answer.clock_difference
    if code in _NOT_AUTHENTICATED and abs(seconds) > _CLOCK_TOLERANCE:
        way = "ahead of" if seconds > 0 else "behind"
        return f"this machine's clock is {abs(seconds):.0f} s {way} storage's: set it"
    if answer.target.identity is None:
        return _KEY_ADVICE.get(code, "")
    if code in _NOT_AUTHENTICATED:
        return (
            f"the token of {answer.target.identity} was not accepted: "
            f"the tenant must be that of the account {account}"
        )
    return _role_advice(answer) if code in _ROLE_MISSING else ""


def _network_advice(target: StorageTarget) -> str:
    advice = (
        f"the network rules of the account {target.account} do not let this app in: "
        "allow its network, or connect it to a private endpoint of the account"
    )
    return advice if target.identity is None else f"{advice}; or {target.identity} has no role"


def _role_advice(answer: _Answer) -> str:
    target = answer.target
    if answer.operation == SIGNING:
        role, where = SIGNING_ROLE, f"the account {target.account} (not on a container)"
    else:
        role, where = DATA_ROLE, f"the container {target.container} or the account {target.account}"
    return (
        f"{target.identity} needs the role {role} on {where}; "
        "a new assignment takes up to ten minutes to take effect"
    )


_ROLE_MISSING = {"AuthorizationPermissionMismatch", "InsufficientAccountPermissions"}
_NOT_AUTHENTICATED = {
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
    "NoAuthenticationInformation",
}
_KEY_ADVICE = {
    "AuthenticationFailed": "the account key is wrong",
    "KeyBasedAuthenticationNotPermitted": (
        "the account does not allow keys: remove the key from the settings to use an identity"
    ),
    "InsufficientAccountPermissions": (
        "the account does not permit the operation, such as a write to its secondary location"
    ),
}
