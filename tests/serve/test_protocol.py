"""Heads of requests, over bare sockets: how long, how slow, and with an offer to upgrade."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

from tests.support.host import RunningHost
from tests.support.programs import program

from .sample import start_sample

KIB = 1 << 10
SECONDS = 20.0

BODY = b"0123456789" * 120
WHOLE = b"Content-Length: 1200\r\n", BODY
CHUNKED = b"Transfer-Encoding: chunked\r\n", b"4b0\r\n%b\r\n0\r\n\r\n" % BODY
OFFERS = {
    "h2c": (
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
    ),
    "tls": b"Upgrade: TLS/1.2\r\nConnection: Upgrade\r\n",
    "websocket": b"connection: keep-alive, upgrade\r\nUPGRADE: websocket\r\n",
}


class Client:
    """A connection to a server, and what was received over it."""

    def __init__(self, host: RunningHost) -> None:
        self.socket = socket.create_connection(("127.0.0.1", host.port), timeout=SECONDS)
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> None:
        """Send each piece in a segment of its own."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            self.socket.sendall(piece)
            time.sleep(0.05)

    def answer(self) -> tuple[int, bytes]:
        """Return status and body of the next answer, which has a length."""
        head = self._until(lambda received: received.find(b"\r\n\r\n") + 1).decode()
        self._received = self._received[3:]
        lines = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        length = int(lines["content-length"])
        body = self._until(lambda received: length if len(received) >= length else 0)
        return int(head.split()[1]), body

    def _until(self, end: object) -> bytes:
        assert callable(end)
        while not (found := end(self._received)):
            piece = self.socket.recv(65536)
            assert piece, f"the server closed the connection after {self._received!r}"
            self._received += piece
        taken, self._received = self._received[:found], self._received[found:]
        return taken

    def is_closed(self) -> bool:
        """Whether the server closes the connection, without another answer."""
        return self.socket.recv(1) == b""


@pytest.fixture
def client(host: RunningHost) -> Iterator[Client]:
    with Client(host) as connected:
        yield connected


def head(*headers: bytes, target: bytes = b"/v2/", method: bytes = b"GET") -> bytes:
    lines = [b"%b %b HTTP/1.1" % (method, target), b"Host: here", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("framing", [WHOLE, CHUNKED], ids=["with a length", "chunked"])
@pytest.mark.parametrize("split", ["together", "apart", "in the middle"])
def test_an_offer_to_upgrade_is_ignored_and_the_body_arrives(
    client: Client, offer: str, framing: tuple[bytes, bytes], split: str
) -> None:
    """RFC 9110, section 7.8. Java's client and `curl --http2` offer it. The connection stays."""
    header, body = framing
    request = b"PATCH /count HTTP/1.1\r\nHost: here\r\n" + header + OFFERS[offer] + b"\r\n"
    for _ in range(3):
        match split:
            case "together":
                client.send(request + body)
            case "apart":
                client.send(request, body)
            case _:
                client.send(request[:-20], request[-20:] + body[:500], body[500:])
        assert client.answer() == (200, b"1200")


@pytest.mark.parametrize("offer", OFFERS)
def test_an_offer_to_upgrade_does_not_cost_the_next_request_its_answer(
    client: Client, offer: str
) -> None:
    """Sent at once, before the first one is answered; the offer itself is not passed on."""
    plain, offering = head(), head(OFFERS[offer].rstrip())
    client.send(offering + offering + plain)
    for _ in range(3):
        status, body = client.answer()
        assert status == 200
        assert "upgrade" not in json.loads(body)["headers"]


def test_curl_sends_a_body_with_its_offer_of_http_2(host: RunningHost) -> None:
    curl = program("curl")
    command = [curl, "--silent", "--show-error", "--http2", "--request", "PATCH"]
    run = subprocess.run(
        [*command, "--data-binary", BODY.decode(), f"{host.url}/count"],
        capture_output=True,
        check=True,
        timeout=SECONDS,
    )
    assert run.stdout == b"1200"


@pytest.mark.parametrize("size", [31 * KIB, 33 * KIB, 300 * KIB])
@pytest.mark.parametrize("count", [1, 20])
def test_headers_are_limited_to_32_kib(client: Client, size: int, count: int) -> None:
    headers = [b"X-%d: " % number + b"a" * (size // count) for number in range(count)]
    client.send(head(*headers))
    status, body = client.answer()
    assert status == (200 if size < 32 * KIB else 431)
    if status == 431:
        assert "32768 bytes" in json.loads(body)["errors"][0]["message"]
        assert client.is_closed()


def test_a_request_has_at_most_100_headers(client: Client) -> None:
    client.send(head(*(b"X-%d: a" % number for number in range(99))))  # with Host, 100
    assert client.answer()[0] == 200
    client.send(head(*(b"X-%d: a" % number for number in range(100))))
    assert client.answer()[0] == 431
    assert client.is_closed()


def test_a_request_line_without_an_end_is_414(client: Client) -> None:
    client.send(b"GET /v2/" + b"a" * 40 * KIB)
    assert client.answer()[0] == 414
    assert client.is_closed()


@pytest.mark.parametrize(
    "start",
    [
        b"GET /v2/ HTTP/1.1\r\nHost: here\r\nX-Long: ",
        b"GET /v2/ HTTP/1.1\r\n",
        b"GET /v2/?q=",
        b"PATCH /count HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n1;x=",
        b"PATCH /count HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Long: ",
        b"PATCH /count HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    ],
    ids=["header", "headers", "query", "chunk extension", "trailer", "trailers"],
)
def test_what_the_parser_has_to_keep_does_not_grow(host: RunningHost, start: bytes) -> None:
    """120 MiB are sent, as far as the server takes them."""
    filler = b"X-A: b\r\n" * 8192 if start.endswith(b"\r\n") else b"a" * 65536
    before = resident_kib(host)
    with Client(host) as client:
        client.socket.sendall(start)
        with suppress(OSError):  # reset, or broken pipe
            for _ in range(1920):
                client.socket.sendall(filler)
    assert resident_kib(host) - before < 16 * KIB


def test_few_requests_wait_for_an_answer(host: RunningHost) -> None:
    """However many are sent at once: tens of thousands fit in what is received in one go."""
    before = resident_kib(host)
    with Client(host) as client, suppress(OSError):  # reset, or broken pipe
        for _ in range(20):
            client.socket.sendall(b"GET / HTTP/1.1\r\n\r\n" * 50_000)
    assert resident_kib(host) - before < 16 * KIB


def test_a_refusal_does_not_get_into_the_answer_to_an_earlier_request(
    client: Client, tmp_path: Path
) -> None:
    """The connection is closed instead: the answer under way would have the refusal's bytes."""
    waiting = b"/slow?until=" + str(tmp_path / "go").encode()
    client.send(head(target=waiting), head() + b"?\r\n\r\n")
    (tmp_path / "go").touch()
    received = client.socket.makefile("rb").read()
    assert b"begun" in received
    assert b"HTTP/1.1 400" not in received


def resident_kib(host: RunningHost) -> int:
    """Return the largest resident size of the server so far."""
    status = Path(f"/proc/{host.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)


@pytest.fixture(scope="module")
def impatient() -> Iterator[RunningHost]:
    """A server whose patience with half a head is a second, and with an idle connection two."""
    with start_sample(environment={"SAMPLE_HEAD_SECONDS": "1", "SAMPLE_IDLE_SECONDS": "2"}) as host:
        yield host


@pytest.mark.parametrize("start", [b"G", b"GET /v2/ HTTP/1.1\r\nHost: he"])
def test_half_a_head_has_a_time_limit(impatient: RunningHost, start: bytes) -> None:
    """However it is stretched by sending more of it now and then."""
    with Client(impatient) as client:
        client.send(head())
        assert client.answer()[0] == 200
        began = time.monotonic()
        client.send(start, *(b"" for _ in range(4)))
        assert client.answer()[0] == 408
        assert client.is_closed()
        assert 0.5 < time.monotonic() - began < SECONDS


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
def test_a_connection_without_a_request_has_a_time_limit(
    impatient: RunningHost, sent: bytes
) -> None:
    with Client(impatient) as client:
        client.send(sent)
        assert client.is_closed()


def test_a_slow_body_and_a_slow_answer_have_none(impatient: RunningHost, tmp_path: Path) -> None:
    """Layers take their time, and another request may already wait behind this one."""
    with Client(impatient) as client:
        header = b"Content-Length: 3"
        client.send(head(header, target=b"/count", method=b"PATCH"), b"a")
        time.sleep(2.5)
        client.send(b"bc")
        assert client.answer() == (200, b"3")
        waiting = b"/count?until=" + str(tmp_path / "go").encode()
        client.send(head(b"Content-Length: 0", target=waiting, method=b"PATCH"), b"GET /v2/ HT")
        time.sleep(2.5)
        (tmp_path / "go").touch()
        assert client.answer() == (200, b"0")
        client.send(b"TP/1.1\r\nHost: here\r\n\r\n")
        assert client.answer()[0] == 200
