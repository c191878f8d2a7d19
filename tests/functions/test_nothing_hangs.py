"""No request leaves its invocation hanging: in Azure it would wait for `functionTimeout`.

The host of these tests fails at its end if one does, or if anything logs a traceback.
"""

from __future__ import annotations

import re
import time

import httpx
import pytest

from registry_core.functions.invocations import PATIENCE
from tests.functions.conftest import Start
from tests.functions.wire import Wire
from tests.support.host import PROJECT, RunningHost

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
PATHS = ["/", "/v2", "/v2/", "/v2/a/tags/list", "/v2/a/blobs/uploads/", "/auth/token", "/oauth2/x"]
ODD_PATHS = [
    "/v2/a%0Ab",
    "/v2/a%0D%0Ab/tags/list",
    "/v2/%00",
    "/v2/%",
    "/v2/%zz",
    "/v2/%ff/tags/list",
    "/v2/%E2%80%A8",
    "/v2/../docs",
    "/v2/..%2f..%2fdocs",
    "/v2//",
    "//v2/",
    "/v2/;/?;",
    "/v2/a/manifests/b?code=x&code=y",
    "/docs",
    "/redoc",
    "/openapi.json",
    "/V2/",
]


def executed(host: RunningHost) -> tuple[int, int]:
    """Return how many invocations have begun, and how many have ended."""
    log = host.log()
    return len(re.findall("Executing 'Fun", log)), len(re.findall("Executed 'Fun", log))


def all_have_ended(host: RunningHost) -> None:
    """Wait until each invocation that has begun has ended."""
    deadline = time.monotonic() + 20
    while len(set(executed(host))) > 1:
        assert time.monotonic() < deadline, host.log()[-5000:]
        time.sleep(0.02)


@pytest.mark.parametrize("path", PATHS)
def test_every_method_on_every_route_is_answered(
    registry: httpx.Client, host: RunningHost, path: str
) -> None:
    begun, _ = executed(host)
    for method in METHODS:
        assert registry.request(method, path).status_code < 500
    all_have_ended(host)
    assert executed(host)[0] - begun == len(METHODS)


@pytest.mark.parametrize("path", ODD_PATHS)
def test_odd_paths_are_answered(host: RunningHost, path: str) -> None:
    with Wire(host.url) as wire:
        wire.head(f"GET {path}", Connection="close")
        status = wire.until(b"\r\n\r\n").split()[1]
    assert status[:1] in (b"2", b"4")
    all_have_ended(host)


@pytest.mark.parametrize(
    "headers",
    [
        {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13"},
        {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2_Settings": "AAMAAABk"},
        {"X_MS_Invocation_Id": "chosen-by-the-client"},
        {"X_Forwarded_Host": "[", "Forwarded": "host=["},
        {"Expect": "100-continue", "Content_Length": "5"},
        {"Expect": "something-else"},
        {"Range": "bytes=x", "If_None_Match": '"'},
        {"Authorization": "Basic \xff"},
        {"Cookie": "a" * 16000},
        {"Accept": "\x7f"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_odd_headers_are_answered(host: RunningHost, headers: dict[str, str]) -> None:
    with Wire(host.url) as wire:
        wire.head("GET /v2/a/tags/list", **headers)
        if "Content_Length" in headers:
            wire.send(b"12345")
        assert wire.until(b"\r\n\r\n").split()[1] in (b"100", b"404", b"400")
    all_have_ended(host)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("sent", [b"", b"some bytes of it"])
def test_a_client_that_hangs_up_leaves_nothing_behind(
    registry: httpx.Client, host: RunningHost, method: str, framing: str, sent: bytes
) -> None:
    """Before its body or within it."""
    location = httpx.URL(registry.post("/v2/a/blobs/uploads/").headers["Location"])
    path = location.raw_path.decode()
    with Wire(host.url) as wire:
        if framing == "length":
            wire.head(f"{method} {path}", Content_Length="1000000")
            wire.send(sent)
        else:
            wire.head(f"{method} {path}", Transfer_Encoding="chunked")
            if sent:
                wire.chunk(sent)
    assert registry.get("/v2/").status_code == 200
    all_have_ended(host)


def test_a_client_that_hangs_up_before_the_answer_leaves_nothing_behind(
    registry: httpx.Client, host: RunningHost
) -> None:
    for path in ("/v2/_catalog", "/v2/a/tags/list", "/v2/a/manifests/v1", "/"):
        with Wire(host.url) as wire:
            wire.head(f"GET {path}")
    assert registry.get("/v2/").status_code == 200
    all_have_ended(host)


@pytest.mark.nightly  # waits for `PATIENCE`; the unit tests of the worker move a clock instead
@pytest.mark.timeout(180)
def test_an_invocation_whose_request_never_comes_ends_as_a_failure(
    start: Start, settings: dict[str, str]
) -> None:
    """The client was gone before the host could forward it."""
    with start(PROJECT, settings) as host, httpx.Client(base_url=host.url) as client:
        assert client.get("/v2/").status_code == 200
        assert client.post("/admin/functions/v2").status_code == 202
        deadline = time.monotonic() + PATIENCE + 60
        while "got no request" not in host.log() or len(set(executed(host))) > 1:
            assert time.monotonic() < deadline, host.log()
            time.sleep(0.1)
        assert "No http request found" in host.log()
        assert client.get("/v2/").status_code == 200
