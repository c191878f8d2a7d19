"""Which requests to storage are repeated, how often and after which delay.

learn.microsoft.com/azure/architecture/best-practices/retry-service-specific, and
learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from enum import Enum

from .errors import is_from_storage
from .limits import Limits

# Failures of the service, and throttling. 501 and 505 would only be repeated.
_RETRIED = {408, 429, 500, 502, 503, 504}
_THROTTLED = {"ServerBusy", "OperationTimedOut", "TooManyRequests"}

# learn.microsoft.com/rest/api/storageservices/copy-blob-from-url: errors of the source
_SOURCE_RETRIED = {"InternalError", "OperationTimedOut", "ServerBusy"}


class Outcome(Enum):
    """What an answer means for the request."""

    FINAL = "executed or refused"
    FAILED = "another attempt may get a better answer"
    THROTTLED = "storage is busy for a while"
    REFUSED = "as THROTTLED, and storage did not execute the request"


def outcome_of(status: int, headers: Mapping[str, str]) -> Outcome:
    """Return what an answer means for its request.

    A 503 does not say that the request was not executed; only a 429 does.
    """
    if not is_from_storage(headers):
        return Outcome.FAILED
    if status == 429:
        return Outcome.REFUSED
    if status in _RETRIED:
        busy = headers.get("x-ms-error-code") in _THROTTLED
        return Outcome.THROTTLED if busy else Outcome.FAILED
    if status >= 400 and headers.get("x-ms-copy-source-error-code") in _SOURCE_RETRIED:
        return Outcome.FAILED
    return Outcome.FINAL


def delay_before(attempt: int, limits: Limits, headers: Mapping[str, str]) -> float:
    """Return the seconds to wait before the retry ``attempt``, which counts from 0.

    :param headers: those of the answer to the latest attempt, if there was one.
    """
    varied = random.uniform(0.5, 1.5)  # noqa: S311 - not a secret
    delay = limits.first_delay * float(2**attempt) * varied
    requested = headers.get("Retry-After", "")
    return max(delay, float(requested)) if requested.isdecimal() else delay
