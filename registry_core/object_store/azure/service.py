"""The SDK's client: one for each process, with bounded retries, every request counted."""

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

_MORE_THAN_ANY = 2**50
_ALL = f"bytes=0-{_MORE_THAN_ANY - 1}"

OnCall = Callable[[str, str], None]
"""Told of every HTTP request as it is sent, retries included: its method, and the operation."""


def make_service(
    service_url: str,
    credential: AzureNamedKeyCredential | AsyncTokenCredential,
    *,
    limits: Limits,
    on_call: OnCall | None,
    transport: AsyncHttpTransport[Any, Any] | None,
) -> BlobServiceClient:
    """A client that connects when it is first used, keeps its connections, and is to be closed."""
    # A line for each request is the request log's business.
    logging.getLogger("azure").setLevel(logging.WARNING)

    def before_request(request: PipelineRequest[Any]) -> None:
        _make_body_streamed(request)
        if request.http_request.headers.get("x-ms-range") == _ALL:
            del request.http_request.headers["x-ms-range"]
        if on_call is not None:
            on_call(request.http_request.method, current_call().operation)

    return BlobServiceClient(
        service_url,
        credential,
        retry_policy=Retries(limits),
        # Contents are never split: what is one call here is one request.
        max_single_put_size=5000 * MIB,
        max_single_get_size=_MORE_THAN_ANY,
        max_chunk_get_size=_MORE_THAN_ANY,
        raw_request_hook=before_request,
        raw_response_hook=_complete_range,
        transport=transport or make_transport(connect=limits.connect, silence=limits.silence),
    )


def _complete_range(response: PipelineResponse[Any, Any]) -> None:
    """Storage refuses ranges of an empty blob, so all of a blob is asked for without one.

    The SDK, which would have sent one, looks for the size where it is in the answer to a range.
    """
    headers = response.http_response.headers
    if response.http_response.status_code == 200 and "x-ms-blob-type" in headers:
        headers.setdefault("Content-Range", f"bytes */{headers.get('Content-Length')}")


class Body:
    """A request's body, sent in slices without a copy, from the beginning again for each retry."""

    _SLICE = MIB

    def __init__(self, content: bytes | bytearray | memoryview) -> None:
        self._content = memoryview(content).cast("B")

    async def __aiter__(self) -> AsyncIterator[memoryview]:
        for start in range(0, len(self._content), self._SLICE):
            yield self._content[start : start + self._SLICE]


def _make_body_streamed(request: PipelineRequest[Any]) -> None:
    """Large bytes in one piece would hold up the event loop: aiohttp warns of that."""
    content = request.http_request.data
    if isinstance(content, bytes) and len(content) > MIB:
        request.http_request.data = Body(content)
