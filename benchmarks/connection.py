"""A persistent HTTP/1.1 connection with little overhead for the client.

`http.client` reads into a buffer at next to no CPU per megabyte, and has no pool, redirects or
retries that would hide what the registry does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from .scale import MIB

TIMEOUT_SECONDS = 120.0
_EXCERPT = 300


class Unexpected(Exception):
    """An unexpected answer; the text has the request and the answer."""


@dataclass(frozen=True)
class Answer:
    """A response whose body was read, with header names in lower case."""

    status: int
    headers: Mapping[str, str]
    size: int
    body: bytes
    """The body's beginning, up to 1 MiB."""

    def header(self, name: str) -> str:
        """Return a header. :raises Unexpected: when the response does not have it."""
        try:
            return self.headers[name.lower()]
        except KeyError:
            raise Unexpected(f"the answer {self.status} has no {name}") from None


class Connection:
    """A connection to the server of `url`, opened by the first request.

    `headers` are sent with every request.
    """

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.hostname is None:
            raise ValueError(f"not an http URL: {url!r}")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._http = kind(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
        self._headers = headers or {}
        self._buffer = bytearray(MIB)

    def request(
        self,
        method: str,
        target: str,
        *,
        expect: Collection[int],
        body: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request and read its answer to the end.

        An iterator is sent unchanged: `headers` must have its length or its chunked coding.

        :raises Unexpected: when the status is not in `expect`.
        :raises OSError, http.client.HTTPException: when the connection fails.
        """
        sent = {**self._headers, **(headers or {})}
        self._http.request(method, target, body, sent, encode_chunked=False)
        with self._http.getresponse() as response:
            answer = self._read(response)
        if answer.status not in expect:
            excerpt = answer.body[:_EXCERPT].decode(errors="replace")
            raise Unexpected(f"{method} {target[:200]} answered {answer.status}: {excerpt}")
        return answer

    def _read(self, response: HTTPResponse) -> Answer:
        size, beginning = 0, b""
        while count := response.readinto(self._buffer):
            beginning = beginning or bytes(self._buffer[:count])
            size += count
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, size, beginning)

    def close(self) -> None:
        """Close the connection; the next request opens it again."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
