"""Which answers of storage are asked for again, how often and when.

Instead of the SDK's rules, which take 429 for final, do not see ``Retry-After``, read contents
outside of their tries, and keep to themselves that an earlier try may have taken place.
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

# The service's own failures, and its wish for patience. 501 and 505 would only come again.
_AGAIN = {408, 429, 500, 502, 503, 504}

# learn.microsoft.com/rest/api/storageservices/copy-blob-from-url: the source's answer
_SOURCE_AGAIN = {"InternalError", "OperationTimedOut", "ServerBusy"}


class Retries(ExponentialRetry):
    """A policy of the SDK's pipeline: one operation, asked until it is answered or given up."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits

    async def send(  # type: ignore[override] # the SDK does the same
        self, request: PipelineRequest[Any]
    ) -> PipelineResponse[Any, Any]:
        """:raises AzureError: when the limits are reached, or waiting would go beyond them."""
        # Takes from the request's options what is not for the transport.
        location_mode = self.configure_retries(request)["mode"]
        _remember_hook(request)
        call, tries = current_call(), 0
        while True:
            try:
                response = await self._ask(request, call)
            except SignInFailed:
                raise  # nothing was sent, and the sign-in has tries of its own
            except AzureError as error:
                delay = self._delay(tries, error)
                tries += 1
                if tries > self._limits.retries or not call.has_time_for(delay):
                    raise
            else:
                response.http_response.location_mode = location_mode
                return response
            await asyncio.sleep(delay)

    async def _ask(self, request: PipelineRequest[Any], call: Call) -> PipelineResponse[Any, Any]:
        """One try. :raises AzureError: when another may help."""
        settled = call.sent
        try:
            response: PipelineResponse[Any, Any] = await self.next.send(request)  # type: ignore[misc]
            answer = response.http_response
            if not answer.is_closed:
                await answer.read()  # what breaks off is asked for again
            if _is_refusal(answer) or not _is_fault(answer):
                settled += 1
        finally:
            call.answer_lost |= call.sent > settled
        if _is_fault(answer):
            raise HttpResponseError(response=answer)
        return response

    def _delay(self, tries: int, error: AzureError) -> float:
        varied = random.uniform(0.5, 1.5)  # noqa: S311 - not a secret
        delay: float = self._limits.first_delay * 2**tries * varied
        headers = getattr(getattr(error, "response", None), "headers", {})
        wished = headers.get("Retry-After", "")
        return max(delay, float(wished)) if wished.isdecimal() else delay


def _remember_hook(request: PipelineRequest[Any]) -> None:
    """The SDK forgets what is to see the answer, where its first try does not get one."""
    hook = request.context.options.pop("raw_response_hook", None)
    if hook is not None:
        request.context["response_callback"] = hook


def _is_from_storage(answer: Any) -> bool:
    """Somebody in between may answer, too; that says nothing about the object."""
    # Azurite's answer to a wish for a user delegation key has no id.
    emulated = answer.headers.get("Server", "").startswith("Azurite-Blob/")
    return "x-ms-request-id" in answer.headers or emulated


def _is_fault(answer: Any) -> bool:
    source = answer.headers.get("x-ms-copy-source-error-code")
    return (
        not _is_from_storage(answer)
        or answer.status_code in _AGAIN
        or (answer.status_code >= 400 and source in _SOURCE_AGAIN)
    )


def _is_refusal(answer: Any) -> bool:
    """Whether storage says that it did nothing."""
    busy = answer.headers.get("x-ms-error-code") == "ServerBusy"
    return _is_from_storage(answer) and (busy or answer.status_code == 429)
