"""The SDK's client, with our retries and every request counted."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.storage.blob.aio import BlobServiceClient

from .calls import current_call
from .limits import MIB, Limits
from .retries import Retries
from .transport import make_transport

_MAX_BYTES = 2**50
_WHOLE_RANGE = f"bytes=0-{_MAX_BYTES - 1}"

OnCall = Callable[[str, str], None]
"""Called for every HTTP request, retries included, with its method and the operation."""


def make_service(
    service_url: str,
    credential: AzureNamedKeyCredential | AsyncTokenCredential,
    *,
    limits: Limits,
    on_call: OnCall | None,
    transport: AsyncHttpTransport[Any, Any] | None,
) -> BlobServiceClient:
    """Return a client that connects on first use, keeps its connections, and must be closed."""
    # The access log has a line for each request.
    logging.getLogger("azure").setLevel(logging.WARNING)

    def before_request(request: PipelineRequest[Any]) -> None:
        _make_body_streamed(request)
        if request.http_request.headers.get("x-ms-range") == _WHOLE_RANGE:
            del request.http_request.headers["x-ms-range"]
        if on_call is not None:
            on_call(request.http_request.method, current_call().operation)

    return BlobServiceClient(
        service_url,
        credential,
        retry_policy=Retries(limits),
        # Content is never split: one call is one request.
        max_single_put_size=5000 * MIB,
        max_single_get_size=_MAX_BYTES,
        max_chunk_get_size=_MAX_BYTES,
        raw_request_hook=before_request,
        raw_response_hook=_add_content_range,
        transport=transport or make_transport(connect=limits.connect, silence=limits.silence),
    )


def _add_content_range(response: PipelineResponse[Any, Any]) -> None:
    """Add the ``Content-Range`` that the SDK reads the size from.

    It would have requested a range, which storage refuses for an empty blob, so a whole blob is
    requested without one.
    """
    headers = response.http_response.headers
    if response.http_response.status_code == 200 and "x-ms-blob-type" in headers:
        headers.setdefault("Content-Range", f"bytes */{headers.get('Content-Length')}")


class Body:
    """A request body, sent in slices without a copy, from the beginning for each attempt."""

    _SLICE = MIB

    def __init__(self, content: bytes | bytearray | memoryview) -> None:
        self._content = memoryview(content).cast("B")

    async def __aiter__(self) -> AsyncIterator[memoryview]:
        for start in range(0, len(self._content), self._SLICE):
            yield self._content[start : start + self._SLICE]


def _make_body_streamed(request: PipelineRequest[Any]) -> None:
    """Send a large body in slices: in one piece it would block the event loop."""
    content = request.http_request.data
    if isinstance(content, bytes) and len(content) > MIB:
        request.http_request.data = Body(content)
