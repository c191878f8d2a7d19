"""What all calls to storage have in common: a name, a bound in time, one table of failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar

from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError

from ..object_store import (
    BlockListInvalid,
    ConditionFailed,
    NotFound,
    RangeNotSatisfiable,
    StoreError,
    StoreUnavailable,
    WrongKind,
)

# learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
# A code says more than a status.
_BY_CODE: dict[str, type[StoreError]] = {
    "BlobAlreadyExists": ConditionFailed,
    "InvalidBlobType": WrongKind,
    "InvalidBlockList": BlockListInvalid,
    # Not an answer about an object: without its container, nothing is known of any.
    "ContainerNotFound": StoreUnavailable,
}
_BY_STATUS: dict[int, type[StoreError]] = {
    404: NotFound,
    412: ConditionFailed,
    416: RangeNotSatisfiable,
}

_operation: ContextVar[str] = ContextVar("operation")


def current_operation() -> str:
    """The name of the operation that this task is in."""
    return _operation.get()


@asynccontextmanager
async def calling(operation: str, path: str, *, seconds: float) -> AsyncIterator[None]:
    """Around everything that is asked of the SDK, retries included.

    :raises StoreError: of the kind that fits the SDK's exception.
    """
    name = _operation.set(operation)
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise StoreUnavailable(f"{operation} {path}: no answer in {seconds:g} s") from None
    except AzureError as error:
        # The SDK's own text may quote URLs with signatures: neither shown nor chained.
        raise _translated(error, f"{operation} {path}") from None
    finally:
        _operation.reset(name)


def _translated(error: AzureError, what: str) -> StoreError:
    if isinstance(error, ServiceRequestError):
        return StoreUnavailable(f"{what}: {error.message}")  # no request was sent: says why not
    if not isinstance(error, HttpResponseError) or error.response is None:
        return StoreUnavailable(f"{what}: {type(error).__name__}")
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    status = error.response.status_code or 0
    code = headers.get("x-ms-error-code", "")
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status, StoreUnavailable)
    request = headers.get("x-ms-request-id", "unknown")
    return kind(f"{what}: {status} {code} (request {request})")
