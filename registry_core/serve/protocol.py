"""HTTP/1.1 as the local server speaks it: uvicorn's protocol with limits, and without upgrades.

- The head of a request is limited as in Kestrel, the Functions host's server, to 32 KiB of headers
  and to 100 of them. Longer request lines than 8 KiB are refused by the registry itself.
- Half a head has 30 s to become a whole one.
- 100 requests may wait while the one before them is answered. Uvicorn takes whatever arrives at
  once, tens of thousands of short ones, which would keep everybody else waiting for seconds.
- An offer to change the protocol is ignored, which a server may do: RFC 9110, section 7.8. Parser
  and uvicorn would take the request's body for the beginning of the other protocol.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from ..spec.errors import Unsupported

HEADER_BYTES = 32 * 2**10
HEADERS = 100
HEAD_SECONDS = 30.0
WAITING_REQUESTS = 100
# How long a refused client may go on sending: a connection that is closed while bytes arrive is
# reset, and the client loses the answer.
_LINGER_SECONDS = 1.0


@dataclass(frozen=True)
class _Refusal:
    """Why a request is refused."""

    status: HTTPStatus
    text: str


class _Refused(Exception):
    """The request is refused."""

    def __init__(self, refusal: _Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


_INVALID = _Refusal(HTTPStatus.BAD_REQUEST, "the request is not valid HTTP/1.1")
_LONG_LINE = _Refusal(
    HTTPStatus.REQUEST_URI_TOO_LONG, f"the request line is longer than {HEADER_BYTES} bytes"
)
_LONG_HEADERS = _Refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    f"the headers are longer than {HEADER_BYTES} bytes in all",
)
_MANY_HEADERS = _Refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the request has more than {HEADERS} headers"
)
_SLOW_HEAD = _Refusal(
    HTTPStatus.REQUEST_TIMEOUT, f"the headers did not arrive within {HEAD_SECONDS:.0f} seconds"
)
_MANY_REQUESTS = _Refusal(
    HTTPStatus.TOO_MANY_REQUESTS,
    f"more than {WAITING_REQUESTS} requests were sent before the first one was answered",
)


class LimitedProtocol(HttpToolsProtocol):
    """The protocol of one connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._refusal: _Refusal | None = None
        self._is_in_head = False
        self._head_timer: asyncio.TimerHandle | None = None
        # Since the parser last handed something over. Meanwhile it keeps what it gets.
        self._kept_bytes = 0
        self._header_bytes = self._header_count = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._set_timers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        self._unset_keepalive_if_required()
        self._kept_bytes += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause.refusal if isinstance(cause, _Refused) else _INVALID)
            return
        if self._kept_bytes > HEADER_BYTES:
            self._refuse(_LONG_HEADERS)
        else:
            self._set_timers()

    @property
    def _is_answering(self) -> bool:
        """Whether a request is being answered."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _parse(self, data: bytes) -> None:
        """:raises httptools.HttpParserError: the bytes are not HTTP, or exceed a limit."""
        rest = memoryview(data)
        while rest:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                if not self._ignores_upgrade():  # CONNECT, which has been answered by now
                    return
                # The parser stopped behind the head. Another one gets the same head without the
                # offer, and all that follows.
                rest = rest[upgrade.args[0] :]
                head = self._head_without_upgrade()
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
                self.parser.feed_data(head)
            else:
                return

    def _ignores_upgrade(self) -> bool:
        """Whether the head that was just parsed offers an upgrade."""
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _head_without_upgrade(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    # Callbacks of the parser. What they raise arrives as the context of an `HttpParserError`.

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= WAITING_REQUESTS:
            raise _Refused(_MANY_REQUESTS)
        super().on_message_begin()
        self._is_in_head = True
        self._header_bytes = self._header_count = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._kept_bytes = 0
        if len(self.url) > HEADER_BYTES:
            raise _Refused(_LONG_LINE)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer of a chunked body."""
        super().on_header(name, value)
        self._kept_bytes = 0
        self._header_count += 1
        self._header_bytes += len(name) + len(value) + len(b": \r\n")
        if self._header_count > HEADERS:
            raise _Refused(_MANY_HEADERS)
        if self._header_bytes > HEADER_BYTES:
            raise _Refused(_LONG_HEADERS)

    def on_headers_complete(self) -> None:
        self._kept_bytes = 0
        self._is_in_head = False
        if not self._ignores_upgrade():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._kept_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._kept_bytes = 0
        if not self._ignores_upgrade():
            super().on_message_complete()

    def _set_timers(self) -> None:
        """Limit how long the connection may wait for the rest of a head, or for another request."""
        if not self._is_in_head:
            self._stop_head_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._on_slow_head)
        is_idle = not (self._is_in_head or self._is_answering or self.pipeline)
        if is_idle and self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _on_slow_head(self) -> None:
        self._head_timer = None
        if self._is_answering:  # the connection may not be read while an answer is under way
            self._set_timers()
        else:
            self._refuse(_SLOW_HEAD)

    def _refuse(self, refusal: _Refusal) -> None:
        """Answer, unless another answer is under way, and close the connection."""
        self._refusal = refusal
        self._stop_head_timer()
        is_open = self._is_answering
        # Requests that wait do so for an answer under way: that of an earlier request.
        is_earlier_under_way = bool(self.pipeline)
        if not (is_earlier_under_way or (is_open and self.cycle.response_started)):
            self.transport.write(_answer(refusal))
        if is_open or not self.transport.can_write_eof():
            self.transport.close()
        else:
            self.transport.write_eof()
            self.loop.call_later(_LINGER_SECONDS, self.transport.close)


def _answer(refusal: _Refusal) -> bytes:
    body = json.dumps(Unsupported(refusal.text).to_json()).encode()
    head = (
        f"HTTP/1.1 {refusal.status.value} {refusal.status.phrase}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        "x-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
