"""What would bend a URL, in the headers of whoever asks, is in none that the registry gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from registry_core.server.urls import Urls, host_name
from registry_core.spec.endpoints import CheckVersion
from tests.server.test_urls import INNER, request

HERE = f"http://{INNER}/v2/"


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
def test_forwarded_is_read_as_rfc_7239_has_it(forwarded: str, base: str) -> None:
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
def test_what_forwarded_does_not_say_is_not_read_into_it(forwarded: str) -> None:
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
def test_a_host_that_would_bend_the_url_is_not_in_it(host: str) -> None:
    for name in ("Host", "X-Forwarded-Host"):
        assert url({name: host}) == HERE
        assert host_name(request({name: host})) == "127.0.0.1"
    quoted = host.replace("\\", "\\\\")
    assert url({"Forwarded": f'host="{quoted}"'}) == HERE


@pytest.mark.parametrize("port", ["65536", "9" * 5000, "-1", "", "x", "80/evil", "\u00b2", "8 1"])
def test_a_port_that_is_none_is_left_out(port: str) -> None:
    assert url({"X-Forwarded-Host": "r", "X-Forwarded-Port": port}) == "http://r/v2/"


@pytest.mark.parametrize("proto", ["javascript", "https://evil/", "https\r\n", "wss", "", "\xff"])
def test_a_scheme_that_is_none_is_left_out(proto: str) -> None:
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
def test_without_a_host_it_is_the_address_that_was_asked(
    server: tuple[str, int | None] | None, base: str
) -> None:
    """HTTP/1.0 has no Host, and a unix socket no address."""
    scope = {**request({}).scope, "headers": [], "server": server}
    assert Urls().of(CheckVersion(), Request(scope)) == f"{base}/v2/"


HOSTILE = st.lists(st.sampled_from([*'a.:[]1"\\;,=/@ \t\r\n%\xff', "host", "for"])).map("".join)


@given(name=st.sampled_from(["Host", "X-Forwarded-Host", "Forwarded"]), value=HOSTILE)
def test_no_header_at_all_makes_a_url_of_anything_but_scheme_host_and_path(
    name: str, value: str
) -> None:
    made = url({name: value})
    scheme, _, rest = made.partition("://")
    host, _, path = rest.partition("/")
    assert (scheme, path) == ("http", "v2/")
    assert not set(host) & set('"\\;,=/@ \t\r\n%\xff')
    assert host


def test_a_header_of_64_kib_is_read_in_no_time() -> None:
    """No header makes the expressions go back and forth."""
    for unit in (" ", "a", ";", "a=", 'a="', "\\", "a=b;", "[:"):
        text = unit * (2**16 // len(unit))
        for name in ("Forwarded", "X-Forwarded-Host", "Host"):
            assert url({name: text + "!"}).endswith("/v2/")
