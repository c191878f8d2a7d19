"""A small HTTP server on loopback, beside the test: a thread for each request."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_BETWEEN_LOOKS = 0.02  # seconds: so long a stop may take


class JsonHandler(BaseHTTPRequestHandler):
    """What handlers of `LoopbackServer` begin with. They write nothing to the terminal."""

    def do_GET(self) -> None:
        self.answer(None)

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, body: bytes | None) -> None:
        """To a GET, or to a POST with its body."""
        raise NotImplementedError

    def reply(self, status: int, content: bytes) -> None:
        """Answer with a JSON document."""
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True  # the client gave up waiting

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """A test asks for what it wants to know."""


class LoopbackServer:
    """Listens at ``url``, on a free port, until it is stopped."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_BETWEEN_LOOKS,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
