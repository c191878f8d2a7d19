"""A small HTTP server on loopback with a thread for each request."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_POLL_SECONDS = 0.02  # the longest time that a stop takes


class JsonHandler(BaseHTTPRequestHandler):
    """The base class of handlers of `LoopbackServer`. It logs nothing."""

    def do_GET(self) -> None:
        self.answer(None)

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, body: bytes | None) -> None:
        """Answer a GET (no body), or a POST with its body."""
        raise NotImplementedError

    def reply(self, status: int, content: bytes) -> None:
        """Send a JSON document."""
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True  # the client has hung up

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""


class LoopbackServer:
    """A server that listens at ``url``, on a free port, until it is stopped."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
