"""Every error code has a message, a status and one exception."""

from __future__ import annotations

import copy
import json
import pickle
from http import HTTPStatus

import pytest

from registry_core.spec import errors
from registry_core.spec.digest import Digest
from registry_core.spec.errors import (
    MEANINGS,
    BlobUnknown,
    ErrorCode,
    ErrorDetail,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    RegistryError,
    Unavailable,
)

# OCI distribution-spec, "Endpoints" and "Error Codes"; where it is silent, CNCF distribution.
STATUSES = {
    "BLOB_UNKNOWN": 404,
    "BLOB_UPLOAD_INVALID": 404,
    "BLOB_UPLOAD_UNKNOWN": 404,
    "DIGEST_INVALID": 400,
    "MANIFEST_BLOB_UNKNOWN": 400,
    "MANIFEST_INVALID": 400,
    "MANIFEST_UNKNOWN": 404,
    "NAME_INVALID": 400,
    "NAME_UNKNOWN": 404,
    "SIZE_INVALID": 400,
    "UNAUTHORIZED": 401,
    "DENIED": 403,
    "UNSUPPORTED": 405,
    "TOOMANYREQUESTS": 429,
    "TAG_INVALID": 400,
    "RANGE_INVALID": 416,
    "PAGINATION_NUMBER_INVALID": 400,
    "UNAVAILABLE": 503,
    "UNKNOWN": 500,
}
EXCEPTIONS = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, RegistryError) and value is not RegistryError
]


def test_every_code_has_the_status_that_clients_expect() -> None:
    assert {str(code): meaning.status for code, meaning in MEANINGS.items()} == STATUSES


def test_every_code_has_a_message() -> None:
    assert set(MEANINGS) == set(ErrorCode)
    assert all(meaning.message for meaning in MEANINGS.values())


def test_every_code_except_unknown_has_one_exception() -> None:
    """Unknown errors are plain `RegistryError`."""
    assert RegistryError.code is ErrorCode.UNKNOWN
    carried = [error.code for error in EXCEPTIONS]
    assert sorted(carried) == sorted(set(ErrorCode) - {ErrorCode.UNKNOWN})


@pytest.mark.parametrize("error", EXCEPTIONS)
def test_an_exception_is_named_after_its_code(error: type[RegistryError]) -> None:
    """BlobUnknown is BLOB_UNKNOWN; only TOOMANYREQUESTS has no underscores."""
    assert error.__name__.upper() == error.code.replace("_", "")


@pytest.mark.parametrize("error", EXCEPTIONS)
def test_an_exception_without_a_message_has_its_codes(error: type[RegistryError]) -> None:
    meaning = MEANINGS[error.code]
    assert str(error()) == meaning.message
    assert error().errors == (ErrorDetail(error.code, meaning.message),)
    assert error().http_status == meaning.status


def test_an_exception_may_override_message_status_and_headers() -> None:
    error = ManifestInvalid(
        "of 5 MiB; at most 4 MiB are allowed",
        {"size": 5},
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        {"Retry-After": "1"},
    )
    assert str(error) == "of 5 MiB; at most 4 MiB are allowed"
    assert error.http_status == 413
    assert error.headers == {"Retry-After": "1"}
    assert error.errors == (ErrorDetail(error.code, str(error), {"size": 5}),)


def test_missing_references_are_one_entry_each() -> None:
    missing = [Digest.of(b"one"), str(Digest.of(b"two"))]
    entries = ManifestBlobUnknown(detail=missing).errors
    assert [entry.detail for entry in entries] == [{"digest": str(digest)} for digest in missing]
    assert all(str(d) in entry.message for d, entry in zip(missing, entries, strict=True))
    assert json.dumps([entry.detail for entry in entries])


def test_of_many_missing_references_20_are_listed_and_the_others_counted() -> None:
    """The answer to a manifest of 38,000 made-up layers stays small."""
    missing = [Digest.of(bytes([number])) for number in range(50)]
    assert len(ManifestBlobUnknown(detail=missing[:20]).errors) == 20
    entries = ManifestBlobUnknown(detail=missing).errors
    assert [entry.detail for entry in entries[:20]] == [{"digest": str(d)} for d in missing[:20]]
    assert len(entries) == 21
    assert entries[20].message.endswith(": 30 more")
    assert {entry.code for entry in entries} == {ErrorCode.MANIFEST_BLOB_UNKNOWN}


@pytest.mark.parametrize("detail", [None, [], "one"])
def test_missing_references_that_are_not_listed_are_one_entry(detail: object) -> None:
    (entry,) = ManifestBlobUnknown(detail=detail).errors
    assert entry == ErrorDetail(
        ErrorCode.MANIFEST_BLOB_UNKNOWN, MEANINGS[ErrorCode.MANIFEST_BLOB_UNKNOWN].message, detail
    )


def test_errors_with_equal_messages_are_not_equal() -> None:
    """Exceptions are compared by identity; contexts, groups and tracebacks rely on that."""
    first, second = BlobUnknown("gone"), BlobUnknown("gone")
    assert len({first, second}) == 2


def test_an_error_can_be_copied_and_pickled() -> None:
    for error in (
        BlobUnknown(detail={"digest": "x"}, headers={"A": "b"}),
        Unavailable("private", public="public", headers={"A": "b"}),
    ):
        for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
            assert type(other) is type(error)
            assert (str(other), other.errors) == (str(error), error.errors)
            assert other.headers == {"A": "b"}


@pytest.mark.parametrize("error", [error for error in EXCEPTIONS if error is not Unavailable])
@pytest.mark.parametrize("detail", [None, {"size": 5}, "text"])
def test_parsing_an_error_is_the_inverse_of_its_body(
    error: type[RegistryError], detail: object
) -> None:
    raised = error("what is wrong", detail)
    body = json.dumps(raised.to_json()).encode()
    parsed = RegistryError.parse(raised.http_status, body)
    assert type(parsed) is error
    assert (parsed.errors, parsed.http_status) == (raised.errors, raised.http_status)
    assert str(parsed) == "what is wrong"


def test_the_text_of_a_fault_is_private_unless_it_is_said_to_be_public() -> None:
    error = Unavailable("the account x does not answer")
    assert str(error) == "the account x does not answer"
    assert error.errors == (ErrorDetail("UNAVAILABLE", "service unavailable"),)
    shown = Unavailable("the account x does not answer", public="try again")
    assert [entry.message for entry in shown.errors] == ["try again"]
    assert str(Unavailable(public="try again")) == "try again"


@pytest.mark.parametrize(
    "status, code, kind",
    [
        (500, "UNKNOWN", RegistryError),
        (502, "MANIFEST_UNKNOWN", ManifestUnknown),
        (503, "UNAVAILABLE", Unavailable),
        (429, "UNAVAILABLE", Unavailable),
    ],
)
def test_what_another_registry_says_about_its_own_fault_is_not_passed_on(
    status: int, code: str, kind: type[RegistryError]
) -> None:
    """It may name hosts and accounts; it is for the log."""
    entries = [{"code": code, "message": "the account x", "detail": "host y"}]
    error = RegistryError.parse(status, json.dumps({"errors": entries}).encode())
    assert type(error) is kind
    assert error.http_status == status
    assert str(error) == f"the registry answered with status {status}: {code}: the account x"
    [entry] = error.errors
    assert (entry.message, entry.detail) == (MEANINGS[error.code].message, None)


def test_a_note_is_added_to_every_message() -> None:
    body = ManifestBlobUnknown(detail=[Digest.of(b"1"), Digest.of(b"2")]).to_json("reference a")
    entries = body["errors"]
    assert isinstance(entries, list)
    assert [entry["message"].endswith(" (reference a)") for entry in entries] == [True, True]


def test_every_entry_of_an_error_is_kept_and_unknown_codes_too() -> None:
    raised = ManifestBlobUnknown(detail=[Digest.of(b"one"), Digest.of(b"two")])
    body = json.dumps(raised.to_json()).encode()
    assert RegistryError.parse(400, body).to_json() == raised.to_json()
    entries = [{"code": "FOREIGN", "message": "theirs", "detail": [1]}, {"code": "DENIED"}]
    parsed = RegistryError.parse(418, json.dumps({"errors": entries}).encode())
    assert type(parsed) is RegistryError
    assert (parsed.http_status, str(parsed)) == (418, "theirs")
    assert [entry.code for entry in parsed.errors] == ["FOREIGN", "DENIED"]
    assert parsed.errors[0].detail == [1]


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b'{"errors": 1}', b'{"errors": [1, {"code": 2}]}', b"[" * 60_000],
)
def test_a_body_that_is_none_of_the_specifications_is_judged_by_its_status(body: bytes) -> None:
    codes = {401: "UNAUTHORIZED", 403: "DENIED", 404: "UNKNOWN", 503: "UNAVAILABLE"}
    for status, code in codes.items():
        parsed = RegistryError.parse(status, body)
        assert (parsed.code, parsed.http_status) == (code, status)
    assert RegistryError.parse(999, body).http_status == 500
