"""Which proxy a client uses, and that its password stays with it."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from registry_core.client.origins import Origin, parse_url
from registry_core.client.proxies import Proxies
from registry_core.spec.endpoints import CheckVersion
from registry_core.spec.errors import Unavailable

from .peers import fetch, peer, raw_peer, session

PROXY = "http://proxy.example.com:3128"


def proxy_for(url: str, **environ: str) -> str | None:
    proxy = Proxies.from_environment(environ).of(Origin.of(parse_url(url)))
    return str(proxy) if proxy else None


@pytest.mark.portable
@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_variable_names_the_proxy_for_https(name: str) -> None:
    assert proxy_for("https://registry.example.com", **{name: PROXY}) == PROXY


@pytest.mark.portable
def test_the_proxy_for_http_is_another() -> None:
    assert proxy_for("https://registry.example.com", http_proxy=PROXY) is None
    assert proxy_for("http://registry.example.com", http_proxy=PROXY) == PROXY
    assert proxy_for("http://registry.example.com", HTTP_PROXY=PROXY) == PROXY


@pytest.mark.portable
def test_lower_case_takes_precedence_and_the_scheme_over_all() -> None:
    other = "http://other.example.com:1"
    url = "https://registry.example.com"
    assert proxy_for(url, https_proxy=PROXY, HTTPS_PROXY=other, ALL_PROXY=other) == PROXY
    assert proxy_for(url, https_proxy="", HTTPS_PROXY=PROXY, ALL_PROXY=other) == PROXY


@pytest.mark.portable
def test_a_cgi_program_does_not_believe_a_clients_header() -> None:
    environ = {"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}
    assert proxy_for("http://registry.example.com", **environ) is None
    assert proxy_for("http://registry.example.com", **environ, http_proxy=PROXY) == PROXY


@pytest.mark.portable
def test_a_proxy_without_a_scheme_has_http() -> None:
    assert proxy_for("https://a.example.com", https_proxy="proxy.example.com:3128") == PROXY


@pytest.mark.portable
@pytest.mark.parametrize("host", ["127.0.0.1:5000", "localhost", "[::1]", "a.localhost", "127.1"])
def test_loopback_has_no_proxy(host: str) -> None:
    assert proxy_for(f"http://{host}", http_proxy=PROXY) is None


@pytest.mark.portable
@pytest.mark.parametrize(
    "no_proxy",
    [
        "*",
        "example.com",
        ".example.com",
        "*.example.com",
        "EXAMPLE.com",
        "other.org, registry.example.com",
        "registry.example.com:443",
        " ,registry.example.com,",
    ],
)
def test_an_exception_covers_a_domain_and_what_is_below_it(no_proxy: str) -> None:
    url = "https://registry.example.com"
    assert proxy_for(url, https_proxy=PROXY, no_proxy=no_proxy) is None
    assert proxy_for(url, https_proxy=PROXY, NO_PROXY=no_proxy) is None


@pytest.mark.portable
@pytest.mark.parametrize(
    "no_proxy", ["ample.com", "registry", "registry.example.com:5000", "10.0.0.0/8", ".", ""]
)
def test_an_exception_covers_nothing_else(no_proxy: str) -> None:
    url = "https://registry.example.com"
    assert proxy_for(url, https_proxy=PROXY, no_proxy=no_proxy) == PROXY


@pytest.mark.portable
@pytest.mark.parametrize(
    "host,no_proxy,has_proxy",
    [
        ("10.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "10.1.2.3", False),
        ("11.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "2.3", True),
        ("[fd12::1]", "fd00::/8", False),
        ("[fd12::1]", "[fd12::1]", False),
        ("[fd12::1]:5000", "[fd12::1]:5000", False),
        ("[fd12::1]:5001", "[fd12::1]:5000", True),
        ("10.1.2.3:5000", "10.1.2.3:5000", False),
    ],
)
def test_an_exception_may_be_an_address_or_a_network(
    host: str, no_proxy: str, *, has_proxy: bool
) -> None:
    found = proxy_for(f"https://{host}", https_proxy=PROXY, no_proxy=no_proxy)
    assert (found is not None) is has_proxy


@pytest.mark.portable
@pytest.mark.parametrize("text", ["socks5://proxy:1080", "http://", "http://proxy:x", "ftp://a"])
def test_what_is_not_an_http_proxy_is_named_by_its_variable(text: str) -> None:
    with pytest.raises(ValueError, match="https_proxy is not the URL of an HTTP proxy"):
        proxy_for("https://a.example.com", https_proxy=text)


@pytest.mark.portable
def test_no_text_has_the_password_of_a_proxy() -> None:
    environ = {"https_proxy": "http://alice:secret@proxy.example.com:3128"}
    proxies = Proxies.from_environment(environ)
    assert "secret" not in repr(proxies)
    assert "secret" not in str(proxies.of(Origin("https", "a.example.com", 443)))
    with pytest.raises(ValueError, match="is not the URL") as raised:
        Proxies.from_environment({"https_proxy": "socks5://alice:secret@proxy"})
    assert "secret" not in str(raised.value)


@pytest.mark.anyio
async def test_a_request_by_http_goes_through_the_proxy_with_its_password() -> None:
    async with peer(lambda _: web.Response(text="content")) as proxy:
        url = proxy.url.replace("http://", "http://alice:secret@")
        proxies = Proxies.from_environment({"http_proxy": url})
        async with session("http://a.example.com", insecure=True, proxies=proxies) as client:
            for _ in range(2):
                assert await fetch(client, "GET", CheckVersion()) == b"content"
    assert proxy.targets == ["GET http://a.example.com/v2/"] * 2
    for received in proxy.received:
        assert received.headers["Proxy-Authorization"] == "Basic YWxpY2U6c2VjcmV0"
        assert "Authorization" not in received.headers


@pytest.mark.anyio
async def test_a_request_by_https_goes_through_a_tunnel_and_its_refusal_names_the_proxy() -> None:
    heads: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    async with raw_peer(refuse) as proxy:
        url = proxy.url.replace("http://", "http://alice:secret@")
        proxies = Proxies.from_environment({"https_proxy": url})
        async with session("https://a.example.com", proxies=proxies) as client:
            with pytest.raises(Unavailable, match=r"the proxy refused .*407") as raised:
                await fetch(client, "GET", CheckVersion())
    assert heads[0].startswith(b"CONNECT a.example.com:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic YWxpY2U6c2VjcmV0" in heads[0]
    assert f"proxy {proxy.url}" in str(raised.value)
    assert proxy.url not in raised.value.message
    assert "secret" not in str(raised.value)
    assert len(heads) == 1


@pytest.mark.anyio
async def test_a_proxy_that_is_not_there_is_named() -> None:
    async def never(_: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        raise AssertionError

    async with raw_peer(never) as gone:
        pass
    proxies = Proxies.from_environment({"https_proxy": gone.url})
    async with session("https://a.example.com", proxies=proxies) as client:
        with pytest.raises(
            Unavailable, match=r"proxy for https://a\.example\.com cannot"
        ) as raised:
            await fetch(client, "GET", CheckVersion())
    assert f"proxy {gone.url}" in str(raised.value)
