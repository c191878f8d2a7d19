"""The load is what the server saw, and answers that are wrong are not counted as fast ones."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.connection import Unexpected
from benchmarks.load import Probe, requests_per_second


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen = 0
    connections = 0
    lock = threading.Lock()

    def setup(self) -> None:
        super().setup()
        with Handler.lock:
            Handler.connections += 1

    def do_GET(self) -> None:
        with Handler.lock:
            Handler.seen += 1
        if self.path == "/chunked":
            self._answer(b"5\r\nhello\r\n0\r\n\r\n", ("Transfer-Encoding", "chunked"))
        elif self.path == "/gone":
            self._answer(b"gone", ("Content-Length", "4"), status=404)
        elif self.path == "/closes":
            self._answer(b"", ("Content-Length", "5"))
            self.close_connection = True
        else:
            self._answer(b"x" * 100_000, ("Content-Length", "100000"))

    def do_HEAD(self) -> None:
        with Handler.lock:
            Handler.seen += 1
        self._answer(b"", ("Content-Length", "100000"))

    def _answer(self, body: bytes, header: tuple[str, str], status: int = 200) -> None:
        self.send_response(status)
        self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    Handler.seen = Handler.connections = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("target", ["/sized", "/chunked"])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_every_request_is_counted_once(server: str, target: str, concurrency: int) -> None:
    started = time.perf_counter()
    rate = requests_per_second(Probe(server, "GET", target, [200]), concurrency, 0.2)
    elapsed = time.perf_counter() - started
    assert Handler.connections == concurrency
    assert Handler.seen > concurrency
    assert Handler.seen / elapsed <= rate <= Handler.seen / 0.2


def test_head_waits_for_no_body(server: str) -> None:
    assert requests_per_second(Probe(server, "HEAD", "/sized", [200]), 2, 0.1) > 0


@pytest.mark.parametrize(
    "target, message",
    [("/gone", "GET /gone answered b'HTTP/1.1 404"), ("/closes", "GET /closes broke off")],
)
def test_a_wrong_answer_fails_the_measure(server: str, target: str, message: str) -> None:
    with pytest.raises(Unexpected, match=message):
        requests_per_second(Probe(server, "GET", target, [200]), 2, 0.2)


def test_a_server_that_is_not_there_fails_the_measure(server: str) -> None:
    nowhere = server.rpartition(":")[0] + ":1"
    with pytest.raises(ConnectionRefusedError):
        requests_per_second(Probe(nowhere, "GET", "/", [200]), 1, 0.1)
