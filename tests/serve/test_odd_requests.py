"""Requests that no client library would send, over a bare socket to the whole registry.

Each is answered at once: by the registry, or with the server's 400 if it is not HTTP.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from registry_core.serve.azurite import Azurite
from tests.support.azurite import create_container
from tests.support.host import RunningHost, start_host

MIB = 1 << 20
SECONDS = 20.0


@pytest.fixture(scope="module")
def registry(azurite: Azurite) -> Iterator[RunningHost]:
    """The registry itself. At the end its log shows no failure of any request."""
    settings = {
        "REGISTRY_STORAGE_AZURE_CONNECTIONSTRING": azurite.connection_string,
        "REGISTRY_STORAGE_AZURE_CONTAINER": create_container(azurite),
        "REGISTRY_HTTP_SECRET": "a secret of the tests, long enough for everybody",
    }
    with start_host(settings) as running:
        yield running
        assert "Traceback" not in running.log(), running.log()


class Answer:
    """Everything received until the server closed the connection."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        self.status = int(first.split()[1])
        pairs = (line.partition(": ") for line in lines)
        self.headers = {name.lower(): value for name, _, value in pairs}

    @property
    def code(self) -> str:
        code: str = json.loads(self.body)["errors"][0]["code"]
        return code


def send(registry: RunningHost, request: bytes) -> Answer:
    """Send bytes and read the answer. :raises TimeoutError: the server does not answer."""
    with socket.create_connection(("127.0.0.1", registry.port), timeout=SECONDS) as connection:
        connection.sendall(request)
        raw = b""
        while piece := connection.recv(65536):
            raw += piece
    return Answer(raw)


def ask(
    registry: RunningHost,
    target: bytes,
    *headers: bytes,
    method: bytes = b"GET",
    version: bytes = b"HTTP/1.1",
    host: bytes | None = b"registry.example",
) -> Answer:
    lines = [b"%s %s %s" % (method, target, version), b"Connection: close", *headers]
    if host is not None:
        lines.append(b"Host: " + host)
    return send(registry, b"\r\n".join(lines) + b"\r\n\r\n")


def start_upload(registry: RunningHost, *headers: bytes, host: bytes | None = b"r") -> str:
    """Start an upload and return the scheme and host of its location."""
    path = b"/v2/a/blobs/uploads/"
    answer = ask(registry, path, *headers, b"Content-Length: 0", method=b"POST", host=host)
    assert answer.status == 202
    base, _, rest = answer.headers["location"].partition("/v2/a/blobs/uploads/")
    assert rest
    return base


@pytest.mark.parametrize(
    "target, status",
    [
        (b"/v2/../v2/", 404),
        (b"/v2/../a/tags/list", 400),
        (b"/v2/./a/tags/list", 400),
        (b"/v2/a/../b/tags/list", 400),
        (b"/v2/a/%2e%2e/b/tags/list", 400),
        (b"/v2/..%2f..%2fetc/passwd", 404),
        (b"/v2/a//tags/list", 400),
        (b"/v2//a/tags/list", 400),
        (b"/v2//tags/list", 404),
        (b"/v2/a\\b/tags/list", 400),
        (b"/v2/a%5Cb/tags/list", 400),
        (b"/v2/a/manifests/..", 404),
        (b"/v2/a/manifests/.", 404),
        (b"/v2/a%00/tags/list", 400),
        (b"/v2/%FF/tags/list", 400),
        (b"/v2/%C0%AF/tags/list", 400),
        (b"/v2/a%2Fb/tags/list", 404),
        (b"/v2/a%252Fb/tags/list", 400),
        (b"/v2/a%25252Fb/tags/list", 400),
        (b"/v2/a/tags/list%3Fn=1", 404),
        (b"/v2/%", 404),
    ],
)
def test_a_path_is_taken_as_it_is_and_never_normalised(
    registry: RunningHost, target: bytes, status: int
) -> None:
    answer = ask(registry, target)
    assert answer.status == status
    assert answer.code == {400: "NAME_INVALID", 404: answer.code}[status]


@pytest.mark.parametrize(
    "method, target, status, code",
    [
        (b"GET", b"//v2/", 404, "NAME_UNKNOWN"),
        (b"GET", b"/V2/", 404, "NAME_UNKNOWN"),
        (b"GET", b"/v2x", 404, "NAME_UNKNOWN"),
        (b"GET", b"/authentication", 404, "NAME_UNKNOWN"),
        (b"GET", b"/docs", 404, "NAME_UNKNOWN"),
        (b"OPTIONS", b"*", 404, "NAME_UNKNOWN"),
        (b"TRACE", b"/v2/", 405, "UNSUPPORTED"),
    ],
)
def test_paths_and_methods_outside_the_api_have_an_error_of_the_registry(
    registry: RunningHost, method: bytes, target: bytes, status: int, code: str
) -> None:
    answer = ask(registry, target, method=method)
    assert (answer.status, answer.code) == (status, code)


def test_a_target_with_scheme_and_host_is_served(registry: RunningHost) -> None:
    """RFC 9112, section 3.2.2: servers must accept it, as clients of proxies send it."""
    assert ask(registry, b"http://registry.example/v2/").status == 200


@pytest.mark.parametrize(
    "target",
    [b"/v2/a\rb", b"/v2/a\nb", b"/v2/a\0b", b"/v2/a\tb", b"/v2/\xff\xfe", b"/v2/?a=\x80", b"v2/"],
)
def test_raw_bytes_that_a_url_cannot_have_are_400(registry: RunningHost, target: bytes) -> None:
    assert ask(registry, target).status == 400


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00" * 30,
        b"GET /v2/ HTTP/1.1\nHost: x\n\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Forwarded-Host: a\r\n folded\r\n\r\n",
        b"G\xcbT /v2/ HTTP/1.1\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost : x\r\n\r\n",
        b"PUT /v2/a/manifests/v HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"PUT /v2/a/manifests/v HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000,
        b"PUT /v2/a/manifests/v HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
        (
            b"PUT /v2/a/manifests/v HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
    ],
)
def test_malformed_http_is_400_and_the_connection_is_closed(
    registry: RunningHost, request_: bytes
) -> None:
    """Also a body that is framed in two ways: behind a proxy, that smuggles requests."""
    answer = send(registry, request_)
    assert (answer.status, answer.code) == (400, "UNSUPPORTED")


@pytest.mark.parametrize("length", [9 * 2**10, 60 * 2**10, 64 * 2**10, MIB])
def test_a_url_of_any_length_is_refused_at_once(registry: RunningHost, length: int) -> None:
    """By the registry, and from 32 KiB by the server, with the same answer."""
    long = b"a" * length
    for target in (
        b"/v2/" + long,
        b"/v2/" + long + b"/tags/list",
        b"/v2/a/tags/list?last=" + long,
        b"/v2/a/tags/list?" + b"a&" * (length // 2),
        b"/v2/" + b"%2F" * (length // 3),
    ):
        answer = ask(registry, target)
        if length > 64 * 2**10 or b"%" not in target:
            assert (answer.status, answer.code) == (414, "UNSUPPORTED")
        else:
            assert 400 <= answer.status < 500


@pytest.mark.parametrize(
    "host",
    [b"[", b"[:::]", b"[v1.x]", b"", b"a b", b"a/b", b"user@host", b"\xff", b"h:99999", b"a\\b"],
)
def test_an_invalid_host_is_replaced_by_the_address_that_was_connected_to(
    registry: RunningHost, host: bytes
) -> None:
    assert start_upload(registry, host=host) == registry.url
    assert ask(registry, b"/v2/a", host=host).code == "NAME_UNKNOWN"
    home = ask(registry, b"/", host=host)
    assert (home.status, f"127.0.0.1:{registry.port}/NAME".encode() in home.body) == (200, True)


def test_http_1_0_needs_no_host(registry: RunningHost) -> None:
    answer = ask(
        registry,
        b"/v2/a/blobs/uploads/",
        b"Content-Length: 0",
        method=b"POST",
        version=b"HTTP/1.0",
        host=None,
    )
    assert answer.status == 202
    assert answer.headers["location"].startswith(f"{registry.url}/v2/a/blobs/uploads/")


@pytest.mark.parametrize(
    "header, base",
    [
        (b"Forwarded: for=192.0.2.1;proto=https;host=r.example", "https://r.example"),
        (b'Forwarded: host="[2001:db8::1]:81", host=other', "http://[2001:db8::1]:81"),
        (b'Forwarded: for="a,b";host=r.example', "http://r.example"),
        (b'Forwarded: for="a;host=evil"', "http://r"),
        (b"Forwarded: host=r.example\r\nForwarded: host=other", "http://r.example"),
        (b"X-Forwarded-Host: r.example, other", "http://r.example"),
        (b"X-Forwarded-Host: r.example\r\nX-Forwarded-Port: 81", "http://r.example:81"),
        (b"X-Forwarded-Host: [2001:db8::1]\r\nX-Forwarded-Port: 81", "http://[2001:db8::1]:81"),
        (b"X-Forwarded-Host: evil/path", "http://r"),
        (b"X-Forwarded-Host: user@evil", "http://r"),
        (b"X-Forwarded-Proto: https, http", "https://r"),
        (b"X-Forwarded-Proto: javascript", "http://r"),
    ],
)
def test_a_location_names_the_host_that_a_local_proxy_forwards(
    registry: RunningHost, header: bytes, base: str
) -> None:
    assert start_upload(registry, header) == base
