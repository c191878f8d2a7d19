"""The URLs in answers are what the client sees, whatever stands in between."""

import pytest
from starlette.requests import Request

from registry_core.server.urls import Urls, host_name
from registry_core.spec.endpoints import CheckVersion

INNER = "127.0.0.1:7071"


def request(headers: dict[str, str], scheme: str = "http") -> Request:
    encoded = [
        (name.lower().encode(), value.encode())
        for name, value in ({"host": INNER} | headers).items()
    ]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "scheme": scheme}
    return Request(scope | {"headers": encoded, "server": ("127.0.0.1", 7071)})


@pytest.mark.parametrize(
    "headers, base",
    [
        ({}, f"http://{INNER}"),
        ({"host": "registry.example.com"}, "http://registry.example.com"),
        ({"host": "[::1]:5000"}, "http://[::1]:5000"),
        ({"X-Forwarded-Host": "r.example.com"}, "http://r.example.com"),
        (
            {"X-Forwarded-Host": "r.example.com", "X-Forwarded-Proto": "https"},
            "https://r.example.com",
        ),
        (
            {
                "X-Forwarded-Host": "first.example, second.example",
                "X-Forwarded-Proto": "https,http",
            },
            "https://first.example",
        ),
        (
            {"X-Forwarded-Host": "r", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "8443"},
            "https://r:8443",
        ),
        (
            {"X-Forwarded-Host": "r", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443"},
            "https://r",
        ),
        ({"X-Forwarded-Host": "r:5001", "X-Forwarded-Port": "8443"}, "http://r:5001"),
        (
            {"Forwarded": 'for=1.2.3.4;host="r.example:81";proto=https', "X-Forwarded-Host": "x"},
            "https://r.example:81",
        ),
        ({"Forwarded": "for=1.2.3.4, host=second"}, f"http://{INNER}"),
    ],
)
def test_the_clients_view_is_taken_from_the_headers(headers: dict[str, str], base: str) -> None:
    assert Urls().of(CheckVersion(), request(headers)) == f"{base}/v2/"


@pytest.mark.parametrize("host", ["a/b", "a b", "user@a", "a?b", "a#b", "a:port", ""])
def test_a_host_that_is_none_is_not_repeated(host: str) -> None:
    for header in ("X-Forwarded-Host", "Forwarded"):
        value = f'host="{host}"' if header == "Forwarded" else host
        assert Urls().of(CheckVersion(), request({header: value})) == f"http://{INNER}/v2/"
    assert Urls().of(CheckVersion(), request({"host": host})) == f"http://{INNER}/v2/"


def test_a_scheme_that_is_none_is_not_repeated() -> None:
    answer = Urls().of(CheckVersion(), request({"X-Forwarded-Proto": "javascript"}))
    assert answer == f"http://{INNER}/v2/"


def test_the_configured_url_comes_before_what_requests_say() -> None:
    urls = Urls("https://registry.example.com/")
    asked = request({"X-Forwarded-Host": "elsewhere", "Forwarded": "host=elsewhere"})
    assert urls.of(CheckVersion(), asked) == "https://registry.example.com/v2/"
    assert urls.host(asked) == "registry.example.com"


def test_urls_are_relative_on_demand() -> None:
    assert Urls(relative=True).of(CheckVersion(), request({})) == "/v2/"


@pytest.mark.parametrize(
    "host, name",
    [("localhost:5000", "localhost"), ("[::1]:5000", "::1"), ("R.example", "r.example")],
)
def test_the_name_that_the_client_asked_is_known_without_its_port(host: str, name: str) -> None:
    assert host_name(request({"host": host})) == name
