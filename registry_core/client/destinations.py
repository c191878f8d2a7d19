"""Where a registry may send its client: by redirects, ``Location``, ``Link`` and realms.

A hostile registry, or one that stores what others wrote, could make the client request services
that only the client can reach. So a URL leads to https, or to the registry itself; and to an
address that as many can reach as the registry's own. Names are checked by what they resolve to when
the connection is made, unless a proxy resolves them; then the proxy connects, from its own network.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from yarl import URL

from .addresses import Address, Reach, address_of
from .errors import UrlRefused
from .origins import Origin, is_loopback_host, parse_url
from .proxies import Proxies


class Destinations:
    """What URLs of one registry may lead to."""

    def __init__(self, registry: Origin) -> None:
        self.registry = registry
        # The widest of all addresses that the registry's name has resolved to. Whoever owns the
        # name can add one of this machine, which must not open the way there. Until one is known,
        # the strictest rule applies.
        self._own: Reach | None = self._written_reach(registry.host)

    def follow(self, text: str, base: URL) -> URL:
        """Return the absolute URL of a reference that the registry gave in an answer from ``base``.

        :raises UrlRefused: the registry may not send its clients there.
        """
        try:
            url = base.join(parse_url(text))
            origin = Origin.of(url)
        except ValueError:
            raise UrlRefused(f"{self.registry} sent a URL that is not valid") from None
        if origin != self.registry:
            self._check(url, origin)
        return url.with_fragment(None) if url.raw_fragment else url

    def check_addresses(self, host: str, addresses: Sequence[Address]) -> None:
        """Check what a host name has resolved to.

        :raises UrlRefused: a URL of the registry may not lead there.
        """
        reaches = [Reach.of(address) for address in addresses] or [Reach.PUBLIC]
        if host.lower().rstrip(".") == self.registry.host:
            self._own = max(reaches if self._own is None else (self._own, *reaches))
        else:
            self._check_reach(host, min(reaches))

    def _check(self, url: URL, origin: Origin) -> None:
        if url.raw_user is not None or url.raw_password is not None:
            raise UrlRefused(f"{self.registry} sent a URL of {origin} with a user name in it")
        if origin.scheme == "http" and not (origin.is_loopback and self.registry.is_loopback):
            raise UrlRefused(f"{self.registry} sent a URL of {origin}, which is not encrypted")
        reach = self._written_reach(origin.host)
        if reach is not None and origin.host != self.registry.host:
            self._check_reach(origin.host, reach)

    def _check_reach(self, host: str, reach: Reach) -> None:
        if reach is Reach.NOBODY or reach < (Reach.PUBLIC if self._own is None else self._own):
            raise UrlRefused(
                f"{self.registry} sent a URL of {host}, which is not followed: that is "
                f"{_DESCRIBED[reach]}"
            )

    @staticmethod
    def _written_reach(host: str) -> Reach | None:
        """Return the class of a host that is written as an address, or as ``localhost``."""
        address = address_of(host)
        if address is not None:
            return Reach.of(address)
        return Reach.LOOPBACK if is_loopback_host(host) else None


_DESCRIBED = {
    Reach.NOBODY: "an address of its own network link, such as a cloud's metadata service",
    Reach.LOOPBACK: "this machine, and the registry is not on it",
    Reach.PRIVATE: "a private network, and the registry is public",
}


class CheckedResolver(AbstractResolver):
    """Resolves names for connections, and checks what they have resolved to."""

    def __init__(
        self,
        destinations: Destinations,
        proxies: Proxies,
        inner: AbstractResolver | None = None,
    ) -> None:
        self._destinations = destinations
        self._proxies = proxies
        self._inner = inner or DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """:raises UrlRefused: a URL of the registry may not lead there."""
        found = await self._inner.resolve(host, port, family)
        if not self._proxies.has(host, port):
            addresses = [address_of(each["host"]) for each in found]
            known = [address for address in addresses if address is not None]
            self._destinations.check_addresses(host, known)
        return found

    async def close(self) -> None:
        await self._inner.close()
