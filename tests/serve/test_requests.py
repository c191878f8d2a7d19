"""What a function is handed, and what its client gets back, is what Azure would make of it."""

from __future__ import annotations

import http.client
import json
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

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


@pytest.mark.parametrize("target", ["/v2", "/v2/", "/v2/a/b/c", "/V2/a", "/v2//a"])
def test_a_catch_all_takes_its_folder_and_everything_below(host: RunningHost, target: str) -> None:
    status, told = ask(host, target)
    assert (status, told["function"], told["path"]) == (200, "everything", target)


@pytest.mark.parametrize(
    "target, parameters",
    [("/v2/", {}), ("/v2/a/b", {"path": "a/b"}), ("/names/debian/tags", {"name": "debian"})],
)
def test_route_parameters_are_named(
    host: RunningHost, target: str, parameters: dict[str, str]
) -> None:
    assert ask(host, target)[1]["parameters"] == parameters


def test_the_root_has_a_function_of_its_own(host: RunningHost) -> None:
    assert ask(host, "/")[1]["function"] == "root"


def test_routes_are_tried_in_the_order_of_function_names(host: RunningHost) -> None:
    assert ask(host, "/order/exact")[1]["function"] == "order_1_any"


@pytest.mark.parametrize("method, function", [("GET", "split_get"), ("PUT", "split_put")])
def test_functions_share_a_route_by_method(host: RunningHost, method: str, function: str) -> None:
    assert ask(host, "/split", method)[1]["function"] == function


@pytest.mark.parametrize(
    "target", ["/v1/", "/v2x", "/names/a/b/tags", "/names//tags", "/names/a", "/docs"]
)
def test_a_path_that_no_function_has_is_404(host: RunningHost, target: str) -> None:
    assert ask(host, target) == (404, b"")


@pytest.mark.parametrize(
    "method, target", [("DELETE", "/split"), ("HEAD", "/split"), ("POST", "/"), ("OPTIONS", "/v2/")]
)
def test_a_method_that_no_function_has_is_404_not_405(
    host: RunningHost, method: str, target: str
) -> None:
    assert ask(host, target, method)[0] == 404


@pytest.mark.parametrize(
    "target, path",
    [
        ("/v2/a/blobs/sha256%3Aabc", "/v2/a/blobs/sha256:abc"),
        ("/v2/a%2Fb/tags%2flist", "/v2/a%2Fb/tags%2flist"),
        ("/v2/a%252Fb", "/v2/a%2Fb"),
        ("/v2/%C3%A9%20", "/v2/é "),
        ("/v2/a?digest=sha256%3Aabc", "/v2/a"),
    ],
)
def test_a_path_is_decoded_once_but_for_slashes(host: RunningHost, target: str, path: str) -> None:
    assert ask(host, target)[1]["path"] == path


def test_the_query_arrives_as_it_was_sent(host: RunningHost) -> None:
    assert ask(host, "/v2/?from=a%2Fb&n=1")[1]["query"] == "from=a%2Fb&n=1"


def test_the_host_header_is_left_alone(host: RunningHost) -> None:
    told = ask(host, "/v2/", Host="registry.example:8443")[1]
    assert told["headers"]["host"] == "registry.example:8443"


def test_a_proxy_on_this_machine_is_believed(host: RunningHost) -> None:
    told = ask(
        host,
        "/v2/",
        X_Forwarded_For="203.0.113.7",
        X_Forwarded_Proto="https",
        X_Forwarded_Host="registry.example",
    )[1]
    assert told["client"] == "203.0.113.7"
    assert told["scheme"] == "https"
    assert told["headers"]["x-forwarded-host"] == "registry.example"


def test_several_kilobytes_of_url_are_no_problem_in_either_direction(host: RunningHost) -> None:
    long = "x" * 12_000
    assert ask(host, f"/v2/?_state={long}")[1]["query"] == f"_state={long}"
    assert len(httpx.get(f"{host.url}/location").headers["location"]) > 6000


def test_answers_carry_a_date_and_do_not_name_the_server(host: RunningHost) -> None:
    headers = httpx.get(f"{host.url}/v2/").headers
    assert "date" in headers
    assert "server" not in headers


@pytest.mark.parametrize("path", ["/broken", "/nothing"])
def test_a_function_that_fails_is_500_and_in_the_log(host: RunningHost, path: str) -> None:
    assert httpx.get(f"{host.url}{path}").status_code == 500
    assert {"/broken": "this function is broken", "/nothing": "returned NoneType"}[
        path
    ] in host.log()


def test_a_chunked_body_is_streamed(host: RunningHost) -> None:
    pieces = (b"x" * MIB for _ in range(20))
    assert httpx.patch(f"{host.url}/count", content=pieces).text == str(20 * MIB)


def test_a_sender_has_to_wait_for_a_function_that_does_not_read(
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
    """Returns how many bytes were taken before none was for a second."""
    client.setblocking(False)
    sent, last = 0, time.monotonic()
    while sent < length and time.monotonic() - last < 1:
        try:
            sent += client.send(bytes(min(MIB, length - sent)))
            last = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
    return sent
