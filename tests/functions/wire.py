"""HTTP/1.1 by hand: for exchanges that break off, or in which the order of bytes matters."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Wire:
    """A connection to a host, as a context manager."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=30)
        self.received = b""

    def head(self, request_line: str, **headers: str) -> None:
        """Send the request line and headers; `Content_Length` stands for `Content-Length`."""
        lines = [f"{request_line} HTTP/1.1", "Host: registry.example"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode())

    def chunk(self, data: bytes) -> None:
        """Send one chunk of a chunked body; an empty one ends it."""
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def until(self, text: bytes) -> bytes:
        """Receive until this text arrives, and return everything received.

        Fails if the host closes the connection.
        """
        while text not in self.received:
            data = self._socket.recv(1 << 16)
            assert data, f"closed after {self.received!r}"
            self.received += data
        return self.received

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()
