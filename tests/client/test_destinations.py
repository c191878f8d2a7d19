"""Which addresses a registry may send its clients to."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from registry_core.client.addresses import Reach, address_of
from registry_core.client.connections import Connections
from registry_core.client.destinations import CheckedResolver, Destinations
from registry_core.client.errors import UrlRefused
from registry_core.client.origins import Origin, parse_url
from registry_core.client.proxies import NO_PROXIES, Proxies
from registry_core.client.sites import is_same_site
from registry_core.client.tls import Tls, make_contexts

from .peers import options, raw_peer

REGISTRY = "registry.example.com"


@pytest.mark.portable
@pytest.mark.parametrize(
    "address,reach",
    [
        ("93.184.215.14", Reach.PUBLIC),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", Reach.PUBLIC),
        ("127.0.0.1", Reach.LOOPBACK),
        ("127.255.0.1", Reach.LOOPBACK),
        ("::1", Reach.LOOPBACK),
        ("::ffff:127.0.0.1", Reach.LOOPBACK),
        ("::127.0.0.1", Reach.LOOPBACK),
        ("64:ff9b::7f00:1", Reach.LOOPBACK),
        ("2002:7f00:1::", Reach.LOOPBACK),
        ("10.1.2.3", Reach.PRIVATE),
        ("172.16.0.1", Reach.PRIVATE),
        ("192.168.0.1", Reach.PRIVATE),
        ("100.64.0.1", Reach.PRIVATE),
        ("fd12::1", Reach.PRIVATE),
        ("::ffff:10.0.0.1", Reach.PRIVATE),
        ("169.254.169.254", Reach.NOBODY),
        ("::ffff:169.254.169.254", Reach.NOBODY),
        ("64:ff9b::a9fe:a9fe", Reach.NOBODY),
        ("fe80::1", Reach.NOBODY),
        ("168.63.129.16", Reach.NOBODY),
        ("100.100.100.200", Reach.NOBODY),
        ("fd00:ec2::254", Reach.NOBODY),
        ("0.0.0.0", Reach.NOBODY),
        ("::", Reach.NOBODY),
        ("224.0.0.1", Reach.NOBODY),
        ("ff02::1", Reach.NOBODY),
    ],
)
def test_an_address_has_the_reach_of_its_network(address: str, reach: Reach) -> None:
    assert Reach.of(ip_address(address)) is reach


@pytest.mark.portable
@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.1"]
)
def test_a_host_in_any_notation_of_an_address_is_that_address(host: str) -> None:
    assert address_of(host) == ip_address("127.0.0.1")


@pytest.mark.parametrize("host", ["registry", "example.com", "1.2.3.4.example.com", "é", ""])
def test_a_name_is_not_an_address(host: str) -> None:
    assert address_of(host) is None


PUBLIC, PRIVATE, LOOPBACK, LINK = "93.184.215.14", "10.0.0.1", "127.0.0.1", "169.254.169.254"


class Names(AbstractResolver):
    """Resolves names from a table."""

    def __init__(self, names: dict[str, list[str]]) -> None:
        self.names = names
        self.is_closed = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=each, port=port, family=family, proto=0, flags=0)
            for each in self.names[host]
        ]

    async def close(self) -> None:
        self.is_closed = True


ALLOWED = [
    (PUBLIC, PUBLIC, True),
    (PUBLIC, PRIVATE, False),
    (PUBLIC, LOOPBACK, False),
    (PUBLIC, LINK, False),
    (PRIVATE, PUBLIC, True),
    (PRIVATE, PRIVATE, True),
    (PRIVATE, LOOPBACK, False),
    (PRIVATE, LINK, False),
    (LOOPBACK, PUBLIC, True),
    (LOOPBACK, LOOPBACK, True),
    (LOOPBACK, LINK, False),
    (LINK, PUBLIC, True),
    (LINK, LINK, False),
]


@pytest.mark.anyio
@pytest.mark.parametrize("own,other,allowed", ALLOWED)
async def test_a_name_may_resolve_to_an_address_that_as_many_can_reach_as_the_registrys(
    own: str, other: str, *, allowed: bool
) -> None:
    destinations = Destinations(Origin("https", REGISTRY, 443))
    names = Names({REGISTRY: [own], "other.example.com": [other]})
    resolver = CheckedResolver(destinations, NO_PROXIES, names)
    assert [each["host"] for each in await resolver.resolve(REGISTRY)] == [own]
    if allowed:
        assert [each["host"] for each in await resolver.resolve("other.example.com")] == [other]
    else:
        with pytest.raises(UrlRefused, match=r"other\.example\.com, which is not followed"):
            await resolver.resolve("other.example.com")


@pytest.mark.anyio
async def test_one_address_of_many_is_enough_to_refuse_a_name() -> None:
    destinations = Destinations(Origin("https", REGISTRY, 443))
    resolver = CheckedResolver(
        destinations, NO_PROXIES, Names({"other.example.com": [PUBLIC, "2606:2800::1", LOOPBACK]})
    )
    with pytest.raises(UrlRefused):
        await resolver.resolve("other.example.com")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "resolved", [[[PUBLIC, LOOPBACK]], [[PUBLIC], [LOOPBACK]], [[LOOPBACK], [PUBLIC]]]
)
async def test_a_registry_cannot_open_the_way_by_what_its_own_name_resolves_to(
    resolved: list[list[str]],
) -> None:
    """Neither with one address of this machine among others, nor with another one later."""
    destinations = Destinations(Origin("https", REGISTRY, 443))
    for addresses in resolved:
        names = Names({REGISTRY: addresses, "other.example.com": [LOOPBACK]})
        resolver = CheckedResolver(destinations, NO_PROXIES, names)
        await resolver.resolve(REGISTRY)
    with pytest.raises(UrlRefused):
        await resolver.resolve("other.example.com")
    with pytest.raises(UrlRefused):
        destinations.follow("https://127.0.0.1/", URL(f"https://{REGISTRY}/"))


@pytest.mark.anyio
async def test_http_on_loopback_is_for_registries_that_are_written_as_loopback() -> None:
    destinations = Destinations(Origin("https", REGISTRY, 443))
    resolver = CheckedResolver(destinations, NO_PROXIES, Names({REGISTRY: [LOOPBACK]}))
    await resolver.resolve(REGISTRY)
    base = URL(f"https://{REGISTRY}/")
    assert str(destinations.follow("https://127.0.0.1/", base)) == "https://127.0.0.1/"
    with pytest.raises(UrlRefused, match="not encrypted"):
        destinations.follow("http://127.0.0.1/", base)


@pytest.mark.anyio
async def test_the_proxy_itself_may_be_anywhere() -> None:
    destinations = Destinations(Origin("https", REGISTRY, 443))
    proxies = Proxies.from_environment({"https_proxy": "http://proxy.lan:3128"})
    resolver = CheckedResolver(destinations, proxies, Names({"proxy.lan": [PRIVATE]}))
    await resolver.resolve("proxy.lan", 3128)
    with pytest.raises(UrlRefused):
        await resolver.resolve("proxy.lan", 443)


@pytest.mark.anyio
async def test_what_a_name_resolves_to_is_checked_when_the_connection_is_made() -> None:
    """The listener gets no connection, although the name leads to it."""

    async def never(_: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        raise AssertionError

    made = options(f"https://{REGISTRY}")
    names = Names({REGISTRY: [PUBLIC], "rebound.example.com": [LOOPBACK]})
    async with raw_peer(never) as listener:
        connections = Connections(
            made, Destinations(made.origin), make_contexts(Tls()), resolver=names
        )
        url = URL(f"https://rebound.example.com:{listener.port}/")
        with pytest.raises(UrlRefused, match="this machine, and the registry is not on it"):
            await connections.send("GET", url, {})
        await connections.close()
    assert listener.connections == 0
    assert names.is_closed


@pytest.mark.portable
@pytest.mark.parametrize(
    "registry,realm",
    [
        ("registry-1.docker.io", "auth.docker.io"),
        ("registry.gitlab.com", "gitlab.com"),
        ("registry.example.com", "login.id.example.com"),
        ("registry.example.co.uk", "auth.example.co.uk"),
        ("ghcr.io", "ghcr.io"),
        ("moorage-1.azurewebsites.net", "moorage-1.azurewebsites.net"),
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "localhost"),
    ],
)
def test_hosts_of_one_domain_are_one_site(registry: str, realm: str) -> None:
    assert is_same_site(registry, realm)
    assert is_same_site(realm, registry)


@pytest.mark.portable
@pytest.mark.parametrize(
    "registry,realm",
    [
        ("registry.example.com", "auth.example.org"),
        ("registry.example.com", "registry.example.com.evil.org"),
        ("registry.example.com", "evilexample.com"),
        ("registry.example.co.uk", "evil.co.uk"),
        ("example.co.uk", "evil.co.uk"),
        ("moorage.azurewebsites.net", "evil.azurewebsites.net"),
        ("moorage.azurewebsites.net", "azurewebsites.net"),
        ("a.westeurope.azurecontainerapps.io", "b.westeurope.azurecontainerapps.io"),
        ("1.dkr.ecr.eu-west-1.amazonaws.com", "evil.s3.amazonaws.com"),
        ("registry", "auth"),
        ("localhost", "127.0.0.1"),
        ("10.0.0.1", "11.0.0.1"),
        ("a.localhost", "b.localhost"),
        ("com", "com.com"),
    ],
)
def test_hosts_of_strangers_are_not_one_site(registry: str, realm: str) -> None:
    assert not is_same_site(registry, realm)
    assert not is_same_site(realm, registry)


@pytest.mark.portable
@pytest.mark.parametrize(
    "text,origin",
    [
        ("https://Registry.Example.com/x", "https://registry.example.com"),
        ("https://registry.example.com:443/", "https://registry.example.com"),
        ("https://registry.example.com./", "https://registry.example.com"),
        ("http://[::1]:5000/", "http://[::1]:5000"),
        ("http://a:443/", "http://a:443"),
    ],
)
def test_an_origin_has_one_spelling(text: str, origin: str) -> None:
    assert str(Origin.of(parse_url(text))) == origin
