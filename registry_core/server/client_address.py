"""The address of a client, for the audit log and for fair shares."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv6Address

from starlette.requests import HTTPConnection


def client_address(request: HTTPConnection) -> str:
    """Return the IP address that a request came from, without a port; empty if it is unknown.

    It is the peer of the connection, or what a trusted proxy says: the server below (uvicorn's
    ``ProxyHeadersMiddleware``, under Functions too) has replaced the peer by the rightmost entry of
    ``X-Forwarded-For`` that is not a trusted proxy. The header itself is not read, since a client
    may send one. Azure's front ends write ``address:port``. An IPv4 address mapped to IPv6 is
    returned as IPv4. What is not an address, such as the name that a test client has, is unknown.
    """
    client = request.scope.get("client")
    return _normalised(client[0]) if client else ""


def _normalised(text: str) -> str:
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        return str(IPv4Address(host))
    except AddressValueError:
        return _ipv6(host)


def _ipv6(host: str) -> str:
    try:
        address = IPv6Address(host.partition("%")[0])  # without the zone, which may be any text
    except AddressValueError:
        return ""
    return str(address.ipv4_mapped or address)
