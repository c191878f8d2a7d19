"""The error codes of the specification, and the exceptions that carry them.

Source: OCI distribution-spec, "Error Codes"; codes that only Docker's HTTP API V2 knows are marked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus


class ErrorCode(StrEnum):
    """What a client may switch on. Codes without an OCI number come from Docker's HTTP API V2."""

    BLOB_UNKNOWN = "BLOB_UNKNOWN"  # code-1
    BLOB_UPLOAD_INVALID = "BLOB_UPLOAD_INVALID"  # code-2
    BLOB_UPLOAD_UNKNOWN = "BLOB_UPLOAD_UNKNOWN"  # code-3
    DIGEST_INVALID = "DIGEST_INVALID"  # code-4
    MANIFEST_BLOB_UNKNOWN = "MANIFEST_BLOB_UNKNOWN"  # code-5
    MANIFEST_INVALID = "MANIFEST_INVALID"  # code-6
    MANIFEST_UNKNOWN = "MANIFEST_UNKNOWN"  # code-7
    NAME_INVALID = "NAME_INVALID"  # code-8
    NAME_UNKNOWN = "NAME_UNKNOWN"  # code-9
    SIZE_INVALID = "SIZE_INVALID"  # code-10
    UNAUTHORIZED = "UNAUTHORIZED"  # code-11
    DENIED = "DENIED"  # code-12
    UNSUPPORTED = "UNSUPPORTED"  # code-13
    TOOMANYREQUESTS = "TOOMANYREQUESTS"  # code-14
    TAG_INVALID = "TAG_INVALID"
    RANGE_INVALID = "RANGE_INVALID"
    PAGINATION_NUMBER_INVALID = "PAGINATION_NUMBER_INVALID"
    UNAVAILABLE = "UNAVAILABLE"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class Meaning:
    """What a code says to people, and the HTTP status it usually travels with."""

    message: str
    status: HTTPStatus


MEANINGS: Mapping[ErrorCode, Meaning] = {
    ErrorCode.BLOB_UNKNOWN: Meaning("blob unknown to registry", HTTPStatus.NOT_FOUND),
    ErrorCode.BLOB_UPLOAD_INVALID: Meaning("blob upload invalid", HTTPStatus.NOT_FOUND),
    ErrorCode.BLOB_UPLOAD_UNKNOWN: Meaning("blob upload unknown to registry", HTTPStatus.NOT_FOUND),
    ErrorCode.DIGEST_INVALID: Meaning(
        "provided digest did not match uploaded content", HTTPStatus.BAD_REQUEST
    ),
    ErrorCode.MANIFEST_BLOB_UNKNOWN: Meaning(
        "manifest references a manifest or blob unknown to registry", HTTPStatus.BAD_REQUEST
    ),
    ErrorCode.MANIFEST_INVALID: Meaning("manifest invalid", HTTPStatus.BAD_REQUEST),
    ErrorCode.MANIFEST_UNKNOWN: Meaning("manifest unknown to registry", HTTPStatus.NOT_FOUND),
    ErrorCode.NAME_INVALID: Meaning("invalid repository name", HTTPStatus.BAD_REQUEST),
    ErrorCode.NAME_UNKNOWN: Meaning("repository name not known to registry", HTTPStatus.NOT_FOUND),
    ErrorCode.SIZE_INVALID: Meaning(
        "provided length did not match content length", HTTPStatus.BAD_REQUEST
    ),
    ErrorCode.UNAUTHORIZED: Meaning("authentication required", HTTPStatus.UNAUTHORIZED),
    ErrorCode.DENIED: Meaning("requested access to the resource is denied", HTTPStatus.FORBIDDEN),
    ErrorCode.UNSUPPORTED: Meaning("the operation is unsupported", HTTPStatus.METHOD_NOT_ALLOWED),
    ErrorCode.TOOMANYREQUESTS: Meaning("too many requests", HTTPStatus.TOO_MANY_REQUESTS),
    ErrorCode.TAG_INVALID: Meaning("invalid tag", HTTPStatus.BAD_REQUEST),
    ErrorCode.RANGE_INVALID: Meaning(
        "invalid content range", HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    ),
    ErrorCode.PAGINATION_NUMBER_INVALID: Meaning(
        "invalid number of results requested", HTTPStatus.BAD_REQUEST
    ),
    ErrorCode.UNAVAILABLE: Meaning("service unavailable", HTTPStatus.SERVICE_UNAVAILABLE),
    ErrorCode.UNKNOWN: Meaning("unknown error", HTTPStatus.INTERNAL_SERVER_ERROR),
}


# Digests in one answer: it should not be larger than the request.
_MOST_LISTED = 20


@dataclass(frozen=True)
class ErrorDetail:
    """One entry of the ``errors`` array. ``code``: an `ErrorCode`, or a foreign registry's own."""

    code: str
    message: str
    detail: object = None


@dataclass(eq=False)
class RegistryError(Exception):
    """An error that is raised anywhere and rendered once, as the specification's JSON.

    ``message`` says what is wrong and what would be right; without one the code's own is used.
    ``status`` and ``headers`` override the code's table entry. ``received``: the entries of another
    registry's error, rendered as they are. ``private`` is the text of the exception, for the log
    and never for clients, where it says more than the message. An error with a private text is
    logged, and its answer has a reference to that line of the log.
    """

    message: str = ""
    detail: object = None
    status: HTTPStatus | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    received: tuple[ErrorDetail, ...] = ()
    private: str = ""

    code = ErrorCode.UNKNOWN

    def __post_init__(self) -> None:
        super().__init__(self.private or self.message or MEANINGS[self.code].message)

    @property
    def http_status(self) -> HTTPStatus:
        """The status of the answer."""
        return self.status or MEANINGS[self.code].status

    @property
    def errors(self) -> tuple[ErrorDetail, ...]:
        """The entries of the answer's ``errors`` array."""
        return self.received or self._entries()

    def _entries(self) -> tuple[ErrorDetail, ...]:
        return (ErrorDetail(self.code, self.message or MEANINGS[self.code].message, self.detail),)

    def to_json(self, note: str = "") -> dict[str, object]:
        """Return the body of the answer, as the specification has it.

        :param note: added to each message, in brackets.
        """
        return {"errors": [_entry_to_json(entry, note) for entry in self.errors]}

    @staticmethod
    def parse(status: int, body: bytes) -> RegistryError:
        """Return the error that another registry answered: the inverse of `to_json`.

        Its class is that of the first entry's code. An unknown code makes a plain `RegistryError`,
        and stays in `errors`. A body that is not the specification's, such as a proxy's page, is
        judged by the status alone. What a registry says about a fault of its own (5xx) becomes the
        private text: it is for whoever operates the two. Raises nothing.

        :param status: the HTTP status of the answer, 400 or more.
        """
        known = HTTPStatus(status) if status in _STATUSES else None
        entries = _parse_entries(body)
        codes = _BY_CODE.get(entries[0].code, RegistryError) if entries else None
        error = codes or _BY_STATUS.get(status, RegistryError)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or issubclass(error, Unavailable):
            return error(status=known, private=_describe(status, entries))
        if not entries:
            return error(f"the registry answered with status {status}", status=known)
        first = entries[0]
        return error(first.message, first.detail, status=known, received=entries)


class BlobUnknown(RegistryError):
    code = ErrorCode.BLOB_UNKNOWN


class BlobUploadInvalid(RegistryError):
    code = ErrorCode.BLOB_UPLOAD_INVALID


class BlobUploadUnknown(RegistryError):
    code = ErrorCode.BLOB_UPLOAD_UNKNOWN


class DigestInvalid(RegistryError):
    code = ErrorCode.DIGEST_INVALID


class ManifestBlobUnknown(RegistryError):
    """Raised with ``detail`` a list of the digests that are missing.

    There is one error entry for each of the first, and one that says how many more are missing.
    """

    code = ErrorCode.MANIFEST_BLOB_UNKNOWN

    def _entries(self) -> tuple[ErrorDetail, ...]:
        if not isinstance(self.detail, list) or not self.detail:
            return super()._entries()
        message = MEANINGS[self.code].message
        listed = tuple(
            ErrorDetail(self.code, f"{message}: {digest}", {"digest": str(digest)})
            for digest in self.detail[:_MOST_LISTED]
        )
        more = len(self.detail) - len(listed)
        if not more:
            return listed
        return (*listed, ErrorDetail(self.code, f"{message}: {more} more"))


class ManifestInvalid(RegistryError):
    code = ErrorCode.MANIFEST_INVALID


class ManifestUnknown(RegistryError):
    code = ErrorCode.MANIFEST_UNKNOWN


class NameInvalid(RegistryError):
    code = ErrorCode.NAME_INVALID


class NameUnknown(RegistryError):
    code = ErrorCode.NAME_UNKNOWN


class SizeInvalid(RegistryError):
    code = ErrorCode.SIZE_INVALID


class Unauthorized(RegistryError):
    code = ErrorCode.UNAUTHORIZED


class Denied(RegistryError):
    code = ErrorCode.DENIED


class Unsupported(RegistryError):
    code = ErrorCode.UNSUPPORTED


class TooManyRequests(RegistryError):
    code = ErrorCode.TOOMANYREQUESTS


class TagInvalid(RegistryError):
    code = ErrorCode.TAG_INVALID


class RangeInvalid(RegistryError):
    code = ErrorCode.RANGE_INVALID


class PaginationNumberInvalid(RegistryError):
    code = ErrorCode.PAGINATION_NUMBER_INVALID


class Unavailable(RegistryError):
    """A fault that retries did not cure; the client should try again later.

    ``private`` is for the log, and clients are not shown it: most of what can be said about a fault
    names accounts, hosts or identities. ``public`` is what they are shown, by default the code's
    own message; it should say nothing about how the registry is built.
    """

    code = ErrorCode.UNAVAILABLE

    def __init__(
        self,
        private: str = "",
        *,
        public: str = "",
        status: HTTPStatus | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(public, status=status, headers=headers or {}, private=private)


_STATUSES = frozenset(status.value for status in HTTPStatus)

_BY_CODE: Mapping[str, type[RegistryError]] = {
    error.code: error
    for error in (
        *(BlobUnknown, BlobUploadInvalid, BlobUploadUnknown, DigestInvalid, ManifestBlobUnknown),
        *(ManifestInvalid, ManifestUnknown, NameInvalid, NameUnknown, SizeInvalid, Unauthorized),
        *(Denied, Unsupported, TooManyRequests, TagInvalid, RangeInvalid),
        *(PaginationNumberInvalid, Unavailable),
    )
}

# Of an answer without an error code: what its status alone says.
_BY_STATUS: Mapping[int, type[RegistryError]] = {
    HTTPStatus.UNAUTHORIZED: Unauthorized,
    HTTPStatus.FORBIDDEN: Denied,
    HTTPStatus.METHOD_NOT_ALLOWED: Unsupported,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: SizeInvalid,
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: RangeInvalid,
    HTTPStatus.TOO_MANY_REQUESTS: TooManyRequests,
    HTTPStatus.BAD_GATEWAY: Unavailable,
    HTTPStatus.SERVICE_UNAVAILABLE: Unavailable,
    HTTPStatus.GATEWAY_TIMEOUT: Unavailable,
}


def _entry_to_json(entry: ErrorDetail, note: str) -> dict[str, object]:
    message = f"{entry.message} ({note})" if note else entry.message
    document: dict[str, object] = {"code": str(entry.code), "message": message}
    if entry.detail is not None:
        document["detail"] = entry.detail
    return document


def _describe(status: int, entries: tuple[ErrorDetail, ...]) -> str:
    said = "; ".join(f"{entry.code}: {entry.message}" for entry in entries)
    return f"the registry answered with status {status}{said and f': {said}'}"


def _parse_entries(body: bytes) -> tuple[ErrorDetail, ...]:
    """Return the entries of an error body; none if it is not one."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    entries = document.get("errors") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        return ()
    return tuple(
        ErrorDetail(_known(entry["code"]), _text(entry.get("message")), entry.get("detail"))
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("code"), str)
    )


def _known(code: str) -> str:
    return ErrorCode(code) if code in MEANINGS else code


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
