"""Storage's error codes: the exception for each, what the log advises, what a client is shown.

learn.microsoft.com/rest/api/storageservices: blob-service-error-codes, common-rest-api-error-codes;
learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory (roles)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..errors import (
    BlockListInvalid,
    BlocksRefused,
    ConditionFailed,
    CopyPending,
    NotFound,
    RangeNotSatisfiable,
    StoreError,
    StoreRefused,
    StoreUnavailable,
    WrongKind,
)
from .error_answers import ErrorAnswer
from .errors import AccessDenied, RequestInvalid, StorageTarget, is_from_storage

DATA_ROLE = "Storage Blob Data Contributor"
SIGNING_ROLE = "Storage Blob Delegator"

SIGNING = "user_delegation_key"
"""The operation that needs `SIGNING_ROLE`."""

_CLOCK_TOLERANCE = 15 * 60
"""Seconds by which the date of a signed request may differ from storage's clock:
learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key"""


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
    answer = ErrorAnswer(operation, status, headers, body, target)
    text = f"{call}: {answer}"
    if status in (401, 403):
        return _denied(text, answer)
    meaning = _meaning(answer)
    advice = meaning.advice
    if callable(advice):
        advice = advice(answer)
    if advice:
        text = f"{text}: {advice}"
    if issubclass(meaning.kind, StoreUnavailable | StoreRefused):
        return meaning.kind(text, public=meaning.public)
    return meaning.kind(text)


def _meaning(answer: ErrorAnswer) -> _Meaning:
    """Return what the code means, or that of a copy's source; if unknown, what the status means."""
    if answer.code.startswith("Lease"):  # some are a 412 that is not about our condition
        return _LEASED
    meaning = MEANINGS.get(answer.code) or MEANINGS.get(answer.source_code)
    if meaning is not None:
        return meaning
    source = answer.headers.get("x-ms-copy-source-status-code", "")
    status = int(source) if answer.status == 400 and source.isdecimal() else answer.status
    return _Meaning(_BY_STATUS.get(status, StoreUnavailable), _UNKNOWN if status == 409 else "")


@dataclass(frozen=True)
class _Meaning:
    """An error code: its exception, what to do about it, and what a client is shown."""

    kind: type[StoreError]
    advice: str | Callable[[ErrorAnswer], str] = ""
    public: str = ""


def _no_container(answer: ErrorAnswer) -> str:
    target = answer.target
    return f"the account {target.account} has no container {target.container!r}: create it"


def _wrong_header(answer: ErrorAnswer) -> str:
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
_UNKNOWN = "learn.microsoft.com/rest/api/storageservices/blob-service-error-codes explains the code"

MEANINGS: Mapping[str, _Meaning] = {
    "BlobAlreadyExists": _Meaning(ConditionFailed),
    "ContainerAlreadyExists": _Meaning(ConditionFailed),
    "InvalidBlobType": _Meaning(WrongKind),
    "InvalidBlockList": _Meaning(BlockListInvalid),
    "BlobArchived": _ARCHIVED,
    "BlobBeingRehydrated": _REHYDRATED,
    "BlobImmutableDueToPolicy": _IMMUTABLE,
    "BlobImmutableDueToLegalHold": _IMMUTABLE,
    "SnapshotsPresent": _Meaning(
        StoreRefused,
        "the blob has snapshots, which cannot be deleted with it: delete them",
        "this object has snapshots in storage, which have to be deleted first",
    ),
    "BlockCountExceedsLimit": _Meaning(
        BlocksRefused,
        "the blob has 100,000 uncommitted blocks, left by interrupted uploads (storage drops them "
        "a week after the last one was staged, or when a blob is put there), or 50,000 committed "
        "ones, of an upload in too many pieces",
        "storage keeps too many pieces of interrupted uploads of this content",
    ),
    "BlockListTooLong": _Meaning(
        StoreRefused,
        "the upload has more than 50,000 blocks: push it in larger chunks",
        "this upload has too many pieces: push it in larger chunks",
    ),
    # Put Block: ids of all blocks of a blob, uncommitted ones included, have the same length.
    "InvalidBlobOrBlock": _Meaning(
        BlocksRefused,
        "the blob has uncommitted blocks of another program, whose ids have another length: "
        "storage drops them a week after the last one was staged, or when a blob is put there",
        "storage keeps pieces of another program's interrupted upload of this content",
    ),
    "PendingCopyOperation": _Meaning(
        CopyPending,
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
    "ContainerNotFound": _Meaning(StoreUnavailable, _no_container),
    "ContainerBeingDeleted": _Meaning(
        StoreUnavailable,
        "the container is being deleted: once that is done, create it again, or choose another",
    ),
    "ContainerDisabled": _Meaning(
        StoreUnavailable, "an administrator has disabled the container: have it enabled"
    ),
    "AccountRequiresHttps": _Meaning(
        StoreUnavailable,
        "the account accepts HTTPS only: have its address in the settings begin with https://",
    ),
    "BlobTypeNotSupported": _Meaning(
        StoreUnavailable,
        "the account has page blobs only: use a general-purpose v2 or a block blob account",
    ),
    "EndpointUnsupportedAccountFeatures": _Meaning(
        StoreUnavailable,
        "this is the address of another service: use that of the Blob service, such as "
        "https://ACCOUNT.blob.core.windows.net",
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


def _denied(text: str, answer: ErrorAnswer) -> StoreError:
    """Return the exception for an answer 401 or 403."""
    return AccessDenied(f"{text}: {_denial_advice(answer)}", reason=answer.code)


def _denial_advice(answer: ErrorAnswer) -> str:
    """Return what to do about a denial."""
    code, target = answer.code, answer.target
    if advice := _account_advice(code, target) or _clock_advice(answer):
        return advice
    if target.identity is None:
        return _KEY_ADVICE.get(code, _UNKNOWN)
    if code in _NOT_AUTHENTICATED:
        return (
            f"the token of {target.identity} was not accepted: "
            f"the tenant must be that of the account {target.account}"
        )
    return _role_advice(answer) if code in _ROLE_MISSING else _UNKNOWN


def _account_advice(code: str, target: StorageTarget) -> str:
    """Return what to do about a denial that concerns everybody, "" if it does not."""
    if code == "AccountIsDisabled":
        return f"the account {target.account} is disabled: enable it, or its subscription"
    if code == "AuthorizationFailure":
        return _network_advice(target)
    if code == "CannotVerifyCopySource":
        return (
            "storage could not read its own blob: the network rules of the account "
            f"{target.account} may not let it"
        )
    if code.startswith("KeyVault"):
        return (
            f"the account {target.account} is encrypted with a customer-managed key that storage "
            "cannot use: restore the key and its vault, or the account's access to them"
        )
    return ""


def _clock_advice(answer: ErrorAnswer) -> str:
    """Return how wrong this machine's clock is if a signature was denied for that, else ""."""
    seconds = answer.clock_difference
    if answer.code not in _NOT_AUTHENTICATED or abs(seconds) <= _CLOCK_TOLERANCE:
        return ""
    way = "ahead of" if seconds > 0 else "behind"
    return f"this machine's clock is {abs(seconds):.0f} s {way} storage's: set it"


def _network_advice(target: StorageTarget) -> str:
    advice = (
        f"the network rules of the account {target.account} do not let this app in: "
        "allow its network, or connect it to a private endpoint of the account"
    )
    return advice if target.identity is None else f"{advice}; or {target.identity} has no role"


def _role_advice(answer: ErrorAnswer) -> str:
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
