"""What the host refuses or corrects in the head of a request before it selects a function."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.functions_host.head import apply_front_end_headers, refusal
from tests.support.host import RunningHost


def head(
    path: bytes = b"/", query: bytes = b"", headers: list[tuple[bytes, bytes]] | None = None
) -> dict[str, Any]:
    return {
        "method": "GET",
        "scheme": "http",
        "raw_path": path,
        "query_string": query,
        "headers": headers or [],
    }


def test_a_request_line_of_8_kib_passes_and_a_longer_one_is_414() -> None:
    rest = 8192 - len("GET / HTTP/1.1\r\n")
    assert refusal(head(b"/" + b"a" * rest)) == 0
    assert refusal(head(b"/a" + b"a" * rest)) == 414
    assert refusal(head(b"/", b"a" * (rest - 1))) == 0
    assert refusal(head(b"/", b"a" * rest)) == 414


def test_a_hundred_headers_of_32_kib_pass_and_more_are_431() -> None:
    assert refusal(head(headers=[(b"a", b"b")] * 100)) == 0
    assert refusal(head(headers=[(b"a", b"b")] * 101)) == 431
    assert refusal(head(headers=[(b"a", b"b" * (32768 - 5))])) == 0
    assert refusal(head(headers=[(b"a", b"b" * (32768 - 4))])) == 431


@pytest.mark.parametrize(
    "sent, host, scheme",
    [
        ([], b"app.example", "http"),
        ([(b"disguised-host", b"registry.example")], b"registry.example", "http"),
        ([(b"x-forwarded-proto", b"https")], b"app.example", "https"),
        ([(b"x-forwarded-proto", b"")], b"app.example", "http"),
    ],
)
def test_the_headers_of_azures_front_ends_set_host_and_scheme(
    sent: list[tuple[bytes, bytes]], host: bytes, scheme: str
) -> None:
    scope = head(headers=[(b"host", b"app.example"), *sent])
    apply_front_end_headers(scope)
    assert [value for name, value in scope["headers"] if name == b"host"] == [host]
    assert scope["scheme"] == scheme


def test_what_is_refused_reaches_no_function_and_has_no_body(sample: RunningHost) -> None:
    with httpx.Client(base_url=sample.url) as http:
        long = http.get("/inspect/" + "a" * 8192)
        assert (long.status_code, long.content) == (414, b"")
        large = http.get("/inspect/", headers={"X-Large": "a" * 32768})
        assert (large.status_code, large.content) == (431, b"")
    assert "Executing" not in sample.log()
