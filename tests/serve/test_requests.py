"""What the server passes on to the application of a request, and to the client of its answer."""

from __future__ import annotations

import http.client
import json
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from tests.support.eventually import until
from tests.support.host import RunningHost

MIB = 1 << 20


def ask(host: RunningHost, target: str, method: str = "GET", **headers: str) -> tuple[int, Any]:
    """Send the request target exactly as it is; httpx would tidy it up."""
    connection = http.client.HTTPConnection("127.0.0.1", host.port, timeout=30)
    connection.putrequest(method, target, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, json.loads(body) if body.startswith(b"{") else body


def test_the_query_arrives_as_it_was_sent(host: RunningHost) -> None:
    assert ask(host, "/v2/?from=a%2Fb&n=1")[1]["query"] == "from=a%2Fb&n=1"


def test_the_host_header_is_left_alone(host: RunningHost) -> None:
    seen = ask(host, "/v2/", Host="registry.example:8443")[1]
    assert seen["headers"]["host"] == "registry.example:8443"


def test_a_proxy_on_this_machine_is_trusted(host: RunningHost) -> None:
    seen = ask(
        host,
        "/v2/",
        X_Forwarded_For="203.0.113.7",
        X_Forwarded_Proto="https",
        X_Forwarded_Host="registry.example",
    )[1]
    assert seen["client"] == "203.0.113.7"
    assert seen["scheme"] == "https"
    assert seen["headers"]["x-forwarded-host"] == "registry.example"


def test_urls_of_several_kilobytes_pass_in_both_directions(host: RunningHost) -> None:
    long = "x" * 12_000
    assert ask(host, f"/v2/?_state={long}")[1]["query"] == f"_state={long}"
    assert len(httpx.get(f"{host.url}/location").headers["location"]) > 6000


def test_answers_carry_a_date_and_do_not_name_the_server(host: RunningHost) -> None:
    headers = httpx.get(f"{host.url}/v2/").headers
    assert "date" in headers
    assert "server" not in headers


def test_an_application_that_fails_is_500_and_in_the_log(host: RunningHost) -> None:
    assert httpx.get(f"{host.url}/broken").status_code == 500
    until(lambda: "this endpoint is broken" in host.log())


def test_a_chunked_body_is_streamed(host: RunningHost) -> None:
    pieces = (b"x" * MIB for _ in range(20))
    assert httpx.patch(f"{host.url}/count", content=pieces).text == str(20 * MIB)


def test_a_sender_has_to_wait_for_an_application_that_does_not_read(
    host: RunningHost, tmp_path: Path
) -> None:
    """What is in flight is bounded by buffers, not by the body's length."""
    length = 256 * MIB
    query = urlencode({"until": tmp_path / "go"})
    with socket.create_connection(("127.0.0.1", host.port)) as client:
        head = f"PATCH /count?{query} HTTP/1.1\r\nHost: here\r\nContent-Length: {length}\r\n\r\n"
        client.sendall(head.encode())
        taken = send_until_blocked(client, length)
        assert taken < 32 * MIB
        (tmp_path / "go").touch()
        client.settimeout(60)
        while taken < length:
            taken += client.send(bytes(min(MIB, length - taken)))
        answer = b""
        while not answer.endswith(str(length).encode()):
            answer += client.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200")


def send_until_blocked(client: socket.socket, length: int) -> int:
    """Return how many bytes were accepted until none was for a second."""
    client.setblocking(False)
    sent, last = 0, time.monotonic()
    while sent < length and time.monotonic() - last < 1:
        try:
            sent += client.send(bytes(min(MIB, length - sent)))
            last = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
    return sent
