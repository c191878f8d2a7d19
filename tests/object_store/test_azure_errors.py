"""Storage's error answers: the exception for each, the advice in it, and what clients are shown."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from registry_core.object_store.azure.error_codes import MEANINGS, SIGNING, to_error
from registry_core.object_store.azure.errors import (
    AccessDenied,
    HierarchicalNamespace,
    RequestInvalid,
    StorageTarget,
    is_from_storage,
)
from registry_core.object_store.errors import (
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
from registry_core.spec.errors import RegistryError
from tests.support.host import PROJECT

KEY = StorageTarget("account", "registry")
IDENTITY = StorageTarget("account", "registry", "the identity app")
PATH = "docker/registry/v2/blobs/sha256/00/00/data"


def error_for(
    status: int,
    code: str = "",
    *,
    body: bytes = b"",
    operation: str = "get",
    target: StorageTarget = KEY,
    **headers: str,
) -> StoreError:
    """Return the exception for an answer; underscores in names of ``headers`` are dashes."""
    sent = {"x-ms-request-id": "1-2-3"} | {k.replace("_", "-"): v for k, v in headers.items()}
    if code:
        sent["x-ms-error-code"] = code
    return to_error(operation, PATH, status, sent, body, target)


CODES: list[tuple[int, str, type[StoreError], str, str]] = [
    (404, "BlobNotFound", NotFound, "", ""),
    (404, "", NotFound, "", ""),
    (409, "BlobAlreadyExists", ConditionFailed, "", ""),
    (409, "ContainerAlreadyExists", ConditionFailed, "", ""),
    (412, "ConditionNotMet", ConditionFailed, "", ""),
    (409, "InvalidBlobType", WrongKind, "", ""),
    (400, "InvalidBlockList", BlockListInvalid, "", ""),
    (416, "InvalidRange", RangeNotSatisfiable, "", ""),
    (409, "BlobArchived", StoreRefused, "rehydrate it", "archive tier"),
    (409, "BlobBeingRehydrated", StoreRefused, "15 hours", "rehydrating"),
    (409, "BlobImmutableDueToPolicy", StoreRefused, "legal hold", "immutability policy"),
    (409, "BlobImmutableDueToLegalHold", StoreRefused, "legal hold", "immutability policy"),
    (412, "LeaseIdMissing", StoreRefused, "break the lease", "locked"),
    (409, "LeaseAlreadyPresent", StoreRefused, "break the lease", "locked"),
    (412, "LeaseLost", StoreRefused, "break the lease", "locked"),
    (409, "SnapshotsPresent", StoreRefused, "delete them", "snapshots"),
    (409, "BlockCountExceedsLimit", BlocksRefused, "100,000 uncommitted", "interrupted uploads"),
    (400, "InvalidBlobOrBlock", BlocksRefused, "another length", "another program's"),
    (409, "PendingCopyOperation", CopyPending, "abort the copy", "try again"),
    (409, "FeatureVersionMismatch", StoreRefused, "APIVERSION to a newer", "too old"),
    (409, "BlobOperationNotSupported", StoreRefused, "hierarchical", "log"),
    (409, "ResourceTypeMismatch", StoreRefused, "hierarchical", "log"),
    (409, "DirectoryIsNotEmpty", StoreRefused, "hierarchical", "log"),
    (400, "BlockListTooLong", StoreRefused, "larger chunks", "larger chunks"),
    (409, "SomethingNew", StoreRefused, "explains the code", "registry's log"),
    (404, "ContainerNotFound", StoreUnavailable, "no container 'registry': create it", "log"),
    (409, "ContainerBeingDeleted", StoreUnavailable, "create it again", "log"),
    (409, "AccountBeingCreated", StoreUnavailable, "wait", "log"),
    (409, "EndpointUnsupportedAccountFeatures", StoreUnavailable, "of the Blob service", "log"),
    (400, "AccountRequiresHttps", StoreUnavailable, "begin with https://", "log"),
    (400, "BlobTypeNotSupported", StoreUnavailable, "page blobs only", "log"),
    (409, "ContainerDisabled", StoreUnavailable, "have it enabled", "log"),
    (403, "AccountIsDisabled", AccessDenied, "account account is disabled: enable it", "log"),
    (403, "AuthorizationFailure", AccessDenied, "network rules of the account account", "log"),
    (403, "KeyVaultEncryptionKeyNotFound", AccessDenied, "customer-managed key", "log"),
    (403, "KeyVaultAccessTokenCannotBeAcquired", AccessDenied, "customer-managed key", "log"),
    (403, "SomethingNew", AccessDenied, "explains the code", "log"),
    (403, "CannotVerifyCopySource", AccessDenied, "network rules", "log"),
    (403, "AuthenticationFailed", AccessDenied, "the account key is wrong", "log"),
    (403, "KeyBasedAuthenticationNotPermitted", AccessDenied, "remove the key", "log"),
    (403, "InsufficientAccountPermissions", AccessDenied, "secondary location", "log"),
    (400, "InvalidHeaderValue", StoreUnavailable, "APIVERSION to an older", "log"),
    (400, "Md5Mismatch", RequestInvalid, "", "log"),
    (500, "OperationTimedOut", StoreUnavailable, "", "log"),
    (503, "ServerBusy", StoreUnavailable, "", "log"),
]


@pytest.mark.parametrize("status, code, kind, advice, public", CODES, ids=str)
def test_each_code_has_its_exception_its_advice_and_a_text_for_clients(
    status: int, code: str, kind: type[StoreError], advice: str, public: str
) -> None:
    error = error_for(status, code)
    assert type(error) is kind
    expected = f"get {PATH}: {status} {code} (request 1-2-3)"
    assert str(error).startswith(expected)
    assert (str(error) != expected) is bool(advice)
    assert advice in str(error)
    if isinstance(error, RegistryError):
        assert public in error.message


@pytest.mark.parametrize("target", [KEY, IDENTITY])
@pytest.mark.parametrize("code", [code for _, code, *_ in CODES] + ["InvalidAuthenticationInfo"])
def test_clients_are_shown_nothing_of_storage(code: str, target: StorageTarget) -> None:
    status = {code: status for status, code, *_ in reversed(CODES)}.get(code, 401)
    error = error_for(status, code, target=target)
    shown = str(error.to_json()) if isinstance(error, RegistryError) else ""
    for secret in (PATH, "account account", "'registry'", "1-2-3", "identity app", str(status)):
        assert secret not in shown
    assert "Storage Blob" not in shown


def test_a_refusal_is_not_to_be_tried_again_and_a_failure_is() -> None:
    refused, failed = error_for(409, "BlobArchived"), error_for(503, "ServerBusy")
    assert isinstance(refused, StoreRefused)
    assert isinstance(failed, StoreUnavailable)
    assert (refused.http_status, failed.http_status) == (403, 503)


def test_the_code_is_read_from_a_body_without_a_header() -> None:
    body = b'\xef\xbb\xbf<?xml version="1.0"?><Error><Code>BlobArchived</Code></Error>'
    assert isinstance(error_for(409, body=body), StoreRefused)


def test_the_header_that_storage_does_not_accept_is_named() -> None:
    """learn.microsoft.com/rest/api/storageservices/status-and-error-codes2"""
    body = (
        b"<Error><Code>InvalidHeaderValue</Code><Message>The value for one of the HTTP headers is "
        b"not in the correct format.</Message><HeaderName>%s</HeaderName>"
        b"<HeaderValue>2026-02-06</HeaderValue></Error>"
    )
    version = str(error_for(400, "InvalidHeaderValue", body=body % b"x-ms-version"))
    assert "400 InvalidHeaderValue x-ms-version (request" in version
    assert "set REGISTRY_STORAGE_AZURE_APIVERSION" in version
    other = str(error_for(400, "InvalidHeaderValue", body=body % b"x-ms-meta-a"))
    assert "x-ms-meta-a" in other
    assert "APIVERSION" not in other


@pytest.mark.parametrize(
    "status, source, kind",
    [
        (404, ("404", "BlobNotFound"), NotFound),
        (412, ("412", "ConditionNotMet"), ConditionFailed),
        (409, ("409", "BlobArchived"), StoreRefused),
        (403, ("403", "AuthenticationFailed"), AccessDenied),
        (400, ("404", "BlobNotFound"), NotFound),
        (400, ("503", "ServerBusy"), StoreUnavailable),
        (400, ("none", ""), RequestInvalid),
    ],
)
def test_a_copy_fails_for_what_is_wrong_with_its_source(
    status: int, source: tuple[str, str], kind: type[StoreError]
) -> None:
    """learn.microsoft.com/rest/api/storageservices/copy-blob-from-url"""
    error = error_for(
        status,
        "CannotVerifyCopySource",
        x_ms_copy_source_status_code=source[0],
        x_ms_copy_source_error_code=source[1],
    )
    assert type(error) is kind
    assert source[1] in str(error)


@pytest.mark.parametrize("code", ["AuthenticationFailed", "CannotVerifyCopySource"])
def test_a_denied_copy_may_concern_the_signature_of_its_source(code: str) -> None:
    denied = error_for(403, code)
    assert isinstance(denied, AccessDenied)
    assert (denied.reason, denied.may_concern_signature) == (code, True)
    other = error_for(403, "AuthorizationFailure")
    assert isinstance(other, AccessDenied)
    assert not other.may_concern_signature


ROLES = [("get", "Storage Blob Data Contributor"), (SIGNING, "Storage Blob Delegator")]


@pytest.mark.parametrize("operation, role", ROLES)
def test_a_missing_role_is_named_in_the_log(operation: str, role: str) -> None:
    code = "AuthorizationPermissionMismatch"
    error = error_for(403, code, operation=operation, target=IDENTITY)
    assert f"the identity app needs the role {role} on " in str(error)
    assert "the account account" in str(error)
    assert isinstance(error, AccessDenied)
    assert "role" not in error.message


@pytest.mark.parametrize("difference, way", [(-3600, "behind"), (3600, "ahead of")])
@pytest.mark.parametrize("target", [KEY, IDENTITY])
def test_a_wrong_clock_is_named(difference: int, way: str, target: StorageTarget) -> None:
    date = formatdate(time.time() - difference, usegmt=True)
    text = str(error_for(403, "AuthenticationFailed", target=target, Date=date))
    assert f" s {way} storage's: set it" in text


@pytest.mark.parametrize("date", ["now", "yesterday"])
def test_a_right_clock_is_not_blamed(date: str) -> None:
    date = formatdate(usegmt=True) if date == "now" else date
    text = str(error_for(403, "AuthenticationFailed", target=IDENTITY, Date=date))
    assert "the token of the identity app was not accepted" in text


def test_an_answer_of_an_intermediary_says_nothing_about_storage() -> None:
    error = to_error("get", "a", 404, {"Server": "nginx"}, b"", KEY)
    assert str(error) == "get a: 404, but not from storage"
    assert type(error) is StoreUnavailable
    assert not is_from_storage({"Server": "nginx"})
    assert is_from_storage({"x-ms-request-id": "1"})
    assert is_from_storage({"Server": "Azurite-Blob/3.35.0"})


def test_every_code_with_a_meaning_is_in_this_table() -> None:
    assert MEANINGS.keys() <= {code for _, code, *_ in CODES}


TRANSIENT = {"OperationTimedOut", "ServerBusy"}


def test_every_code_that_somebody_has_to_act_on_is_in_the_documentation() -> None:
    page = (PROJECT / "docs/troubleshooting.md").read_text()
    for _, code, kind, advice, _ in CODES:
        if issubclass(kind, StoreRefused | StoreUnavailable) and code not in TRANSIENT and advice:
            known = code.startswith(("Lease", "KeyVault", "SomethingNew"))
            assert known or f"`{code}`" in page


def test_a_hierarchical_namespace_is_explained() -> None:
    error = HierarchicalNamespace("account")
    assert "account account has a hierarchical namespace" in str(error)
    assert "account account" not in str(error.to_json())
    assert error.http_status == 503
