"""What all calls to storage have in common: a name, a time limit, a translation of errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError

from ..interface import (
    BlockListInvalid,
    ConditionFailed,
    NotFound,
    RangeNotSatisfiable,
    StoreError,
    StoreUnavailable,
    WrongKind,
)
from .access_denied import AccessDenied, StorageTarget
from .identity import SignInFailed

# learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
# A code is more specific than a status.
_BY_CODE: dict[str, type[StoreError]] = {
    "BlobAlreadyExists": ConditionFailed,
    "InvalidBlobType": WrongKind,
    "InvalidBlockList": BlockListInvalid,
    # Says nothing about the object: its container is missing.
    "ContainerNotFound": StoreUnavailable,
    # A 412 that is not about our condition: somebody holds a lease on the object.
    "LeaseIdMissing": StoreUnavailable,
}
_BY_STATUS: dict[int, type[StoreError]] = {
    404: NotFound,
    412: ConditionFailed,
    416: RangeNotSatisfiable,
}


@dataclass
class Call:
    """One operation with all its attempts. ``deadline`` is on the event loop's clock."""

    operation: str
    deadline: float
    sent: int = 0
    """The number of requests sent."""
    answer_lost: bool = False
    """Whether one of them may have taken place although its answer did not arrive."""

    def has_time_for(self, delay: float) -> bool:
        """Return whether ``delay`` seconds from now the deadline is not over."""
        return asyncio.get_running_loop().time() + delay < self.deadline


_call: ContextVar[Call] = ContextVar("call")


def current_call() -> Call:
    """Return the operation that the current task is in."""
    return _call.get()


@asynccontextmanager
async def calling(
    operation: str, path: str, *, seconds: float, target: StorageTarget
) -> AsyncIterator[Call]:
    """Limit one operation of the SDK, retries included, to ``seconds``, and translate its errors.

    :raises StoreError: the error that corresponds to the SDK's exception.
    """
    call = Call(operation, asyncio.get_running_loop().time() + seconds)
    outer = _call.set(call)
    try:
        async with asyncio.timeout(seconds):
            yield call
    except TimeoutError:
        raise StoreUnavailable(f"{operation} {path}: no answer in {seconds:g} s") from None
    except AzureError as error:
        # The SDK's text may contain signed URLs: it is neither shown nor chained.
        raise _translate(error, operation, path, target) from None
    finally:
        _call.reset(outer)


class NotSignedIn(StoreUnavailable):
    """A token for storage cannot be had."""


def _translate(error: AzureError, operation: str, path: str, target: StorageTarget) -> StoreError:
    call = f"{operation} {path}"
    if isinstance(error, SignInFailed):
        return NotSignedIn(error.message)
    if isinstance(error, ServiceRequestError):
        # An error of the connection: its text says what is wrong.
        return StoreUnavailable(f"{call}: {error.message}")
    if not isinstance(error, HttpResponseError) or error.response is None:
        return StoreUnavailable(f"{call}: {type(error).__name__}")
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    status = error.response.status_code or 0
    code = headers.get("x-ms-error-code", "")
    request = headers.get("x-ms-request-id")
    if request is None:
        return StoreUnavailable(f"{call}: {status}, but not from storage")
    advice = target.advice(operation, code)
    text = f"{call}: {status} {code} (request {request}){advice and f': {advice}'}"
    if status in (401, 403):
        return AccessDenied(text, reason=code)
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status, StoreUnavailable)
    return kind(text)
