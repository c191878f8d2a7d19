"""The SDK's client: one for each process, with bounded retries, every request counted."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from azure.core.credentials import AzureNamedKeyCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.storage.blob.aio import BlobServiceClient, ExponentialRetry

from .calls import current_operation

MIB = 2**20
_MORE_THAN_ANY = 2**50
_ALL = f"bytes=0-{_MORE_THAN_ANY - 1}"

OnCall = Callable[[str, str], None]
"""Told of every HTTP request as it is sent, retries included: its method, and the operation."""


@dataclass(frozen=True)
class Limits:
    """How long to wait and how often to try; times in seconds."""

    connect: float = 5.0
    silence: float = 30.0
    """Without a single byte from storage."""
    retries: int = 3
    first_delay: float = 0.2
    """Before the first retry; doubled for each further one, and varied by half."""
    total: float = 100.0
    """For one operation with its retries."""
    copy: float = 200.0
    """In place of both for a copy on the server side, which is silent until it is done."""
    copy_whole: int = 256 * MIB
    """In bytes. Copy Blob From URL takes no more in one call."""
    copy_piece: int = 64 * MIB
    """In bytes. Larger objects are copied in ranges: a call that fails loses little."""


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
            on_call(request.http_request.method, current_operation())

    return BlobServiceClient(
        service_url,
        credential,
        retry_policy=_Backoff(limits),
        connection_timeout=limits.connect,
        read_timeout=limits.silence,
        # Contents are never split: what is one call here is one request.
        max_single_put_size=5000 * MIB,
        max_single_get_size=_MORE_THAN_ANY,
        max_chunk_get_size=_MORE_THAN_ANY,
        raw_request_hook=before_request,
        raw_response_hook=_complete_range,
        transport=transport,
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


class _Backoff(ExponentialRetry):
    """The SDK's rules of what is retried, with waits that somebody can wait for."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(
            retry_total=limits.retries,
            retry_connect=limits.retries,
            retry_read=limits.retries,
            retry_status=limits.retries,
        )
        self._first_delay = limits.first_delay

    def get_backoff_time(self, settings: dict[str, Any]) -> float:
        delay: float = self._first_delay * 2 ** (settings["count"] - 1)
        return delay * random.uniform(0.5, 1.5)  # noqa: S311 - not a secret
