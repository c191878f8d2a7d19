"""URLs in answers are as the client sees the registry, and no header can change their meaning."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from registry_core.config import read_settings
from registry_core.server.urls import FORWARDED_HEADERS, Urls
from registry_core.spec.endpoints import CheckVersion

SETTINGS = {
    "REGISTRY_STORAGE_AZURE_ACCOUNTNAME": "account",
    "REGISTRY_STORAGE_AZURE_CONTAINER": "registry",
    "REGISTRY_HTTP_SECRET": "a secret for tests, which is long enough",
    "REGISTRY_AUTH": "none",
}
INNER = "127.0.0.1:7071"
HERE = f"http://{INNER}/v2/"


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
def test_the_base_url_follows_from_the_headers(headers: dict[str, str], base: str) -> None:
    assert Urls().of(CheckVersion(), request(headers)) == f"{base}/v2/"


@pytest.mark.parametrize("host", ["a/b", "a b", "user@a", "a?b", "a#b", "a:port", ""])
def test_an_invalid_host_is_ignored(host: str) -> None:
    for header in ("X-Forwarded-Host", "Forwarded"):
        value = f'host="{host}"' if header == "Forwarded" else host
        assert Urls().of(CheckVersion(), request({header: value})) == f"http://{INNER}/v2/"
    assert Urls().of(CheckVersion(), request({"host": host})) == f"http://{INNER}/v2/"


def test_an_unknown_scheme_is_ignored() -> None:
    answer = Urls().of(CheckVersion(), request({"X-Forwarded-Proto": "javascript"}))
    assert answer == f"http://{INNER}/v2/"


def test_the_configured_url_overrides_the_headers() -> None:
    urls = Urls("https://registry.example.com/")
    incoming = request({"X-Forwarded-Host": "elsewhere", "Forwarded": "host=elsewhere"})
    assert urls.of(CheckVersion(), incoming) == "https://registry.example.com/v2/"
    assert urls.host(incoming) == "registry.example.com"


def test_urls_can_be_relative() -> None:
    assert Urls(relative=True).of(CheckVersion(), request({})) == "/v2/"


@pytest.mark.parametrize(
    "host, name",
    [("localhost:5000", "localhost"), ("[::1]:5000", "::1"), ("R.example", "r.example")],
)
def test_the_host_name_has_no_port(host: str, name: str) -> None:
    assert Urls().host_name(request({"host": host})) == name


def url(headers: dict[str, str]) -> str:
    return Urls().of(CheckVersion(), request(headers))


@pytest.mark.parametrize(
    "forwarded, base",
    [
        ('for="a,b";host=r.example', "http://r.example"),
        ('for="a;host=evil";host=r.example;proto=https', "https://r.example"),
        ('for="a\\";host=evil";host=r.example', "http://r.example"),
        ('for="[2001:db8::1]:4711";host="[2001:db8::2]:81"', "http://[2001:db8::2]:81"),
        ("HOST=r.example;Proto=HTTPS", "https://r.example"),
        ("for=a ; host=r.example ; proto=https", "https://r.example"),
        (";;host=r.example;", "http://r.example"),
        ('host="r\\.example"', "http://r.example"),
        ("host=r.example, host=other", "http://r.example"),
        ("host=r.example;host=other", "http://r.example"),
        ("host=r.example:443;proto=https", "https://r.example:443"),
    ],
)
def test_forwarded_is_parsed_as_in_rfc_7239(forwarded: str, base: str) -> None:
    assert url({"Forwarded": forwarded}) == f"{base}/v2/"


@pytest.mark.parametrize(
    "forwarded",
    [
        'for="a;host=evil"',
        "myhost=evil",
        "x-host=evil",
        'for="a;host=evil',
        'host="evil',
        "host=evil b",
        'host=evil"b"',
        "host = evil",
        "for=a,host=evil",
        "host=evil;for",
    ],
)
def test_malformed_and_similar_pairs_in_forwarded_are_ignored(forwarded: str) -> None:
    assert url({"Forwarded": forwarded}) == HERE


BAD_HOSTS = [
    "[:::]",
    "[::1",
    "::1",
    "[]",
    "[1.2.3.4]",
    "[v1.x]",
    "[::1]evil",
    "evil:65536",
    "evil:",
    "evil:80:80",
    "user:password@evil",
    "evil/path",
    "evil\\path",
    "evil?query",
    "evil\r\nX-Injected: 1",
    "evil\nb",
    "evil\0",
    "evil\xff",
    "evil%2f",
    "<evil>",
    "evil" * 100,
]


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_a_host_that_would_change_the_urls_meaning_is_ignored(host: str) -> None:
    for name in ("Host", "X-Forwarded-Host"):
        assert url({name: host}) == HERE
        assert Urls().host_name(request({name: host})) == "127.0.0.1"
    quoted = host.replace("\\", "\\\\")
    assert url({"Forwarded": f'host="{quoted}"'}) == HERE


@pytest.mark.parametrize("port", ["65536", "9" * 5000, "-1", "", "x", "80/evil", "\u00b2", "8 1"])
def test_an_invalid_port_is_ignored(port: str) -> None:
    assert url({"X-Forwarded-Host": "r", "X-Forwarded-Port": port}) == "http://r/v2/"


@pytest.mark.parametrize("proto", ["javascript", "https://evil/", "https\r\n", "wss", "", "\xff"])
def test_an_invalid_scheme_is_ignored(proto: str) -> None:
    assert url({"X-Forwarded-Proto": proto}) in (HERE, HERE.replace("http", "https"))
    assert url({"Forwarded": f"proto={proto}"}) == HERE


@pytest.mark.parametrize(
    "server, base",
    [
        (("127.0.0.1", 7071), "http://127.0.0.1:7071"),
        (("::1", 7071), "http://[::1]:7071"),
        (("192.0.2.1", 80), "http://192.0.2.1"),
        (("/run/registry.sock", None), "http://localhost"),
        (None, "http://localhost"),
    ],
)
def test_without_a_host_header_the_servers_address_is_used(
    server: tuple[str, int | None] | None, base: str
) -> None:
    """HTTP/1.0 needs no Host, and a Unix socket has no address."""
    scope = {**request({}).scope, "headers": [], "server": server}
    assert Urls().of(CheckVersion(), Request(scope)) == f"{base}/v2/"


HOSTILE = st.lists(st.sampled_from([*'a.:[]1"\\;,=/@ \t\r\n%\xff', "host", "for"])).map("".join)


@given(name=st.sampled_from(["Host", "X-Forwarded-Host", "Forwarded"]), value=HOSTILE)
def test_whatever_a_header_contains_a_url_is_scheme_host_and_path(name: str, value: str) -> None:
    made = url({name: value})
    scheme, _, rest = made.partition("://")
    host, _, path = rest.partition("/")
    assert (scheme, path) == ("http", "v2/")
    assert not set(host) & set('"\\;,=/@ \t\r\n%\xff')
    assert host


def test_a_header_of_64_kib_is_parsed_in_linear_time() -> None:
    """No header makes the regular expressions backtrack."""
    for unit in (" ", "a", ";", "a=", 'a="', "\\", "a=b;", "[:"):
        text = unit * (2**16 // len(unit))
        for name in ("Forwarded", "X-Forwarded-Host", "Host"):
            assert url({name: text + "!"}).endswith("/v2/")


HOSTILE_HEADERS = {
    "Forwarded": "host=evil.example;proto=http",
    "X-Forwarded-Port": "6666",
    "X-Forwarded-Host": "r.example",
    "X-Forwarded-Proto": "https",
}


@pytest.mark.parametrize(
    "environment, base",
    [
        ({"WEBSITE_SKU": "FlexConsumption"}, "https://r.example"),
        ({"FUNCTIONS_WORKER_RUNTIME": "python"}, "https://r.example"),
        ({"CONTAINER_APP_NAME": "registry"}, f"https://{INNER}"),
        ({}, "http://evil.example:6666"),
    ],
)
def test_only_headers_that_the_platform_writes_are_believed(
    environment: dict[str, str], base: str
) -> None:
    """The Functions host replaces two of them; the ingress of Container Apps writes the scheme."""
    settings = read_settings({**SETTINGS, **environment})
    urls = Urls(trusted=settings.forwarded_headers)
    assert urls.base(request(HOSTILE_HEADERS)) == base


@pytest.mark.parametrize("name", sorted(FORWARDED_HEADERS))
def test_a_header_that_is_not_trusted_changes_nothing(name: str) -> None:
    urls = Urls(trusted=FORWARDED_HEADERS - {name})
    assert urls.base(request({name: HOSTILE_HEADERS[name.title()]})) == HERE.removesuffix("/v2/")


def test_the_settings_know_all_headers_of_proxies() -> None:
    assert read_settings(SETTINGS).forwarded_headers == FORWARDED_HEADERS
