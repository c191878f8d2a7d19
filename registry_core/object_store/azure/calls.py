"""What all calls to storage have in common: a name, a bound in time, one table of failures."""

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
from .identity import SignInFailed
from .refusals import Entrance, Refused

# learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
# A code says more than a status.
_BY_CODE: dict[str, type[StoreError]] = {
    "BlobAlreadyExists": ConditionFailed,
    "InvalidBlobType": WrongKind,
    "InvalidBlockList": BlockListInvalid,
    # Not an answer about an object: without its container, nothing is known of any.
    "ContainerNotFound": StoreUnavailable,
    # A 412 that no condition of ours has asked for: somebody holds the object fast.
    "LeaseIdMissing": StoreUnavailable,
}
_BY_STATUS: dict[int, type[StoreError]] = {
    404: NotFound,
    412: ConditionFailed,
    416: RangeNotSatisfiable,
}


@dataclass
class Call:
    """One operation with all its tries. ``ends`` is on the event loop's clock."""

    operation: str
    ends: float
    sent: int = 0
    """Requests that left."""
    answer_lost: bool = False
    """One of them may have taken place without an answer that says so."""

    def has_time_for(self, delay: float) -> bool:
        return asyncio.get_running_loop().time() + delay < self.ends


_call: ContextVar[Call] = ContextVar("call")


def current_call() -> Call:
    """The operation that this task is in."""
    return _call.get()


@asynccontextmanager
async def calling(
    operation: str, path: str, *, seconds: float, entrance: Entrance
) -> AsyncIterator[Call]:
    """Around everything that is asked of the SDK, retries included.

    :raises StoreError: of the kind that fits the SDK's exception.
    """
    call = Call(operation, asyncio.get_running_loop().time() + seconds)
    outer = _call.set(call)
    try:
        async with asyncio.timeout(seconds):
            yield call
    except TimeoutError:
        raise StoreUnavailable(f"{operation} {path}: no answer in {seconds:g} s") from None
    except AzureError as error:
        # The SDK's own text may quote URLs with signatures: neither shown nor chained.
        raise _translated(error, operation, path, entrance) from None
    finally:
        _call.reset(outer)


class NotSignedIn(StoreUnavailable):
    """There is no token to ask storage with."""


def _translated(error: AzureError, operation: str, path: str, entrance: Entrance) -> StoreError:
    what = f"{operation} {path}"
    if isinstance(error, SignInFailed):
        return NotSignedIn(error.message)
    if isinstance(error, ServiceRequestError):
        return StoreUnavailable(
            f"{what}: {error.message}"
        )  # of the connection: says what is wrong with it
    if not isinstance(error, HttpResponseError) or error.response is None:
        return StoreUnavailable(f"{what}: {type(error).__name__}")
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    status = error.response.status_code or 0
    code = headers.get("x-ms-error-code", "")
    request = headers.get("x-ms-request-id")
    if request is None:
        return StoreUnavailable(f"{what}: {status}, and not from storage")
    advice = entrance.advice(operation, code)
    text = f"{what}: {status} {code} (request {request}){advice and f': {advice}'}"
    if status in (401, 403):
        return Refused(text, reason=code)
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status, StoreUnavailable)
    return kind(text)
