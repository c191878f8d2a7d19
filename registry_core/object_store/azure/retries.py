"""Which calls to storage are retried, how often and when.

Replaces the SDK's policy, which does not retry 429, ignores ``Retry-After``, reads bodies outside
of its attempts and does not say that an earlier attempt may have taken place.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.storage.blob.aio import ExponentialRetry

from .calls import Call, current_call
from .identity import SignInFailed
from .limits import Limits

# Failures of the service, and throttling. 501 and 505 would only be repeated.
_RETRIED = {408, 429, 500, 502, 503, 504}

# learn.microsoft.com/rest/api/storageservices/copy-blob-from-url: errors of the source
_SOURCE_RETRIED = {"InternalError", "OperationTimedOut", "ServerBusy"}


class Retries(ExponentialRetry):
    """A policy of the SDK's pipeline that repeats a request until it is answered or given up."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits

    async def send(  # type: ignore[override] # the SDK does the same
        self, request: PipelineRequest[Any]
    ) -> PipelineResponse[Any, Any]:
        """Send a request, with retries.

        :raises AzureError: the limits are reached, or waiting would exceed them.
        """
        # Removes from the request's options what is not for the transport.
        location_mode = self.configure_retries(request)["mode"]
        _keep_hook(request)
        call, attempts = current_call(), 0
        while True:
            try:
                response = await self._attempt(request, call)
            except SignInFailed:
                raise  # nothing was sent, and signing in has retries of its own
            except AzureError as error:
                delay = self._delay(attempts, error)
                attempts += 1
                if attempts > self._limits.retries or not call.has_time_for(delay):
                    raise
            else:
                response.http_response.location_mode = location_mode
                return response
            await asyncio.sleep(delay)

    async def _attempt(
        self, request: PipelineRequest[Any], call: Call
    ) -> PipelineResponse[Any, Any]:
        """Send the request once.

        :raises AzureError: another attempt may succeed.
        """
        settled = call.sent
        try:
            response: PipelineResponse[Any, Any] = await self.next.send(request)  # type: ignore[misc]
            answer = response.http_response
            if not answer.is_closed:
                await answer.read()  # a body that breaks off is retried as well
            if _is_throttled(answer) or not _is_fault(answer):
                settled += 1
        finally:
            call.answer_lost |= call.sent > settled
        if _is_fault(answer):
            raise HttpResponseError(response=answer)
        return response

    def _delay(self, attempts: int, error: AzureError) -> float:
        varied = random.uniform(0.5, 1.5)  # noqa: S311 - not a secret
        delay: float = self._limits.first_delay * 2**attempts * varied
        headers = getattr(getattr(error, "response", None), "headers", {})
        requested = headers.get("Retry-After", "")
        return max(delay, float(requested)) if requested.isdecimal() else delay


def _keep_hook(request: PipelineRequest[Any]) -> None:
    """Keep the response hook, which the SDK drops if its first attempt gets no response."""
    hook = request.context.options.pop("raw_response_hook", None)
    if hook is not None:
        request.context["response_callback"] = hook


def _is_from_storage(answer: Any) -> bool:
    """Return whether storage, and not an intermediary, sent the response."""
    # Azurite's response with a user delegation key has no request id.
    emulated = answer.headers.get("Server", "").startswith("Azurite-Blob/")
    return "x-ms-request-id" in answer.headers or emulated


def _is_fault(answer: Any) -> bool:
    """Return whether another attempt may get a better response."""
    source = answer.headers.get("x-ms-copy-source-error-code")
    return (
        not _is_from_storage(answer)
        or answer.status_code in _RETRIED
        or (answer.status_code >= 400 and source in _SOURCE_RETRIED)
    )


def _is_throttled(answer: Any) -> bool:
    """Return whether storage throttled the request, which then did not take place."""
    busy = answer.headers.get("x-ms-error-code") == "ServerBusy"
    return _is_from_storage(answer) and (busy or answer.status_code == 429)
